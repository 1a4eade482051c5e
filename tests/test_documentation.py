"""Schemas, reference page and workflow picture agree with the code."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

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


def test_workflow_page_shows_the_rules_of_today():
    finished = subprocess.run(
        [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js", "--forceall",
         "--cores", "1", "--nolock", "all"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", finished.stdout))
    edges = {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", finished.stdout)}
    page = (ROOT / "docs/workflow.md").read_text()
    shown = set(re.findall(r"^ +(\w+) --> (\w+)$", page, re.M))
    assert shown == edges
