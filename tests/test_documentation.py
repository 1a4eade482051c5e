"""Schemas, reference page and workflow picture agree with the code."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from warm_snakemake import run_warm

from simtailor.documentation import generated_files

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("path", generated_files())
def test_generated_file_is_up_to_date(path):
    assert (ROOT / path).read_text() == generated_files()[path], (
        "run: ./run python -m simtailor.documentation"
    )


def test_schema_accepts_shipped_files_and_rejects_a_misspelt_key():
    schema = json.loads((ROOT / "config/experiment.schema.json").read_text())
    for path in (ROOT / "config/experiments").glob("*.yaml"):
        values = yaml.safe_load(path.read_text())
        jsonschema.validate(values, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**values, "gramar": "x"}, schema)


def rule_edges(target):
    """Return the edges of the rule graph of a target."""
    words = ["snakemake", "--rulegraph", "mermaid-js", "--forceall", "--cores", "1", "--nolock"]
    finished = run_warm([*words, target], ROOT)
    assert finished.returncode == 0, finished.stderr
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", finished.stdout))
    return {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", finished.stdout)}


@pytest.mark.slow
def test_workflow_page_shows_the_rules_of_today():
    edges, with_package = rule_edges("all"), rule_edges("results/metasim/mnist_rot")
    page = (ROOT / "docs/workflow.md").read_text()
    assert set(re.findall(r"^ +(\w+) --> (\w+)$", page, re.M)) == edges
    assert set(re.findall(r"^ +(\w+) -\.-> (\w+)$", page, re.M)) == with_package - edges


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))])
def test_links_of_a_page_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / link).exists(), link


def pages_of(nav):
    """Return the pages of a part of the site's navigation."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in pages_of(part)]


def test_the_site_leads_to_every_page():
    lines = [line for line in (ROOT / "mkdocs.yml").read_text().splitlines() if "!!" not in line]
    listed = pages_of(yaml.safe_load("\n".join(lines))["nav"])
    assert sorted(listed) == sorted(page.name for page in ROOT.glob("docs/*.md"))


@pytest.mark.slow
def test_the_site_is_built_and_its_links_lead_somewhere(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    assert "first_hour" in (tmp_path / "index.html").read_text()


def test_the_page_on_recovery_lists_the_experiments_of_today():
    page = (ROOT / "docs/recovery.md").read_text()
    table = page.split("| experiment |")[1].split("\n\n")[0]
    listed = re.findall(r"^\| `(\w+)`", table, re.M)
    assert sorted(listed) == sorted(p.stem for p in ROOT.glob("config/experiments/*.yaml"))
