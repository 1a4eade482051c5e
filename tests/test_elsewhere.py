"""The workflow used from another folder: with --directory, as a module, and from Python."""

import json
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, SMALL
from warm_snakemake import run_warm

import simtailor
from simtailor import calling
from simtailor.shipped import found_path

pytestmark = pytest.mark.slow
MODULE = """
module simtailor:
    snakefile:
        "{snakefile}"
    config:
        config["simtailor"]


use rule * from simtailor as simtailor_*


rule own:
    input:
        "made/metasim/tyol_1attr/summary.json",
"""


def planned(folder, *words):
    """Return what Snakemake would do in a folder."""
    run = run_warm(["snakemake", "-n", "--cores", "1", *words], folder)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return run.stdout


def test_another_directory_needs_no_copy_of_the_configuration(tmp_path):
    asked = ("results/metasim/tyol_1attr", "results/task2sim/tasks/mnist")
    out = planned(ROOT, "--directory", str(tmp_path), *asked)
    assert "metasim_train" in out
    assert "prepare_task" in out
    assert list(tmp_path.glob("config")) == []


def test_what_the_other_folder_has_stands_over_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert found_path("config/tasks.tsv") == str(ROOT / "config/tasks.tsv")
    Path("config").mkdir()
    Path("config/tasks.tsv").write_text("")
    assert found_path("config/tasks.tsv") == "config/tasks.tsv"
    assert found_path("config/nothing.tsv") == "config/nothing.tsv"


def test_a_workflow_of_the_users_takes_a_result_as_its_input(tmp_path):
    (tmp_path / "Snakefile").write_text(MODULE.format(snakefile=ROOT / "Snakefile"))
    values = {"simtailor": {"seed": 3, "results": "made"}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    out = planned(tmp_path, "--configfile", "mine.yaml", "--", "made/metasim/tyol_1attr")
    assert "simtailor_metasim_train" in out


def test_a_call_from_python_asks_for_the_fit_and_then_for_its_data_set(tmp_path, monkeypatch):
    asked = {}

    def run(*targets, folder, configuration, cores, report):
        asked[targets] = configuration

    monkeypatch.setattr(calling, "make", run)
    monkeypatch.chdir(tmp_path)
    fitted = simtailor.fit("photos", "config/grammars/tyol_1attr.json", "fits", training=SMALL)
    (target, configuration), *_ = asked.items()
    assert target == ("results/metasim/mine",)
    experiment = configuration["metasim"]["experiments"]["mine"]
    assert experiment["target"] == {"folder": str(tmp_path / "photos")}
    assert experiment["grammar"] == str(ROOT / "config/grammars/tyol_1attr.json")
    assert fitted.dataset(images=5) == Path("fits/results/datasets/mine")
    assert asked[("results/datasets/mine",)]["datasets"] == {"images": 5}


def test_the_notebook_calls_what_there_is():
    cells = json.loads((ROOT / "examples/fit.ipynb").read_text())["cells"]
    source = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    compile(source, "fit.ipynb", "exec")
    words = {
        word for word in source.replace("(", " ").replace(",", " ").split() if "config/" in word
    }
    assert words
    for word in words:
        assert (ROOT / word.split("=")[-1].strip('"{}')).exists() or ":" in word
    assert {"simtailor.fit", "fitted.dataset"} <= set(source.replace("(", " ").split())
