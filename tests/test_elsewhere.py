"""The workflow used from another folder: with --directory, as a module, and from Python."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, SMALL

import simtailor
from simtailor import calling
from simtailor.errors import UserError
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
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", *words]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return run.stdout


def test_another_directory_needs_no_copy_of_the_configuration(tmp_path):
    target = "results/metasim/tyol_1attr"
    out = planned(
        ROOT, "--directory", str(tmp_path), target, "results/task2sim/recommend/mnist.yaml"
    )
    assert f"output: {target}" in out.replace("\n", " ").replace("    ", "")
    assert "rule recommend" in out or "checkpoint recommend" in out
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


def test_a_fit_from_python_goes_on_from_what_is_there(tmp_path, kernel_cache, monkeypatch):
    """What the workflow made of a small experiment is a fit, and becomes a data set."""
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


def test_a_call_from_python_runs_the_workflow_and_tells_what_is_wrong(finished, tmp_path):
    """In a folder where the experiment is made already."""
    for part in ("results", "work", "logs", ".snakemake"):
        shutil.copytree(finished.folder / part, tmp_path / part, symlinks=True)
    lines = []
    values = {"resources": str(finished.cache), "metasim": {"experiments": {"tyol_1attr": SMALL}}}
    target = "results/metasim/tyol_1attr"
    simtailor.make(target, folder=tmp_path, configuration=values, cores=1, report=lines.append)
    assert any("Nothing to be done" in line for line in lines)
    fitted = calling.Fit("tyol_1attr", tmp_path, values, 1, lines.append)
    assert fitted.verdict.startswith(("Converged", "Not converged"))
    with pytest.raises(UserError, match=r"unknown key\. Did you mean 'seed'"):
        simtailor.make(target, folder=tmp_path, configuration={"sead": 3}, report=lines.append)


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
