"""The extras of ./run: what is installed, what gives way, and that pip can resolve it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from simtailor.errors import UserError
from simtailor.extras import chosen_extras, read_extras

ROOT = Path(__file__).parent.parent
PYPROJECT = ROOT / "pyproject.toml"
PIP = [sys.executable, "-m", "pip"]

# A Python that keeps what it is asked to do; FAISS for the CPU is installed until it is removed.
RECORDING = """#!/bin/sh
echo "$*" >>"{log}"
case "$*" in
*"show --quiet "*) grep -q "^-m pip install.*\\[{old}" "{log}" && ! grep -q uninstall "{log}" ;;
esac
"""


@pytest.fixture
def home(tmp_path):
    """What the launcher reads of the project, with an environment whose pip only takes notes."""
    home = tmp_path / "project"
    home.mkdir()
    for name in ("run", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, home / name)
    (home / "lib").symlink_to(ROOT / "lib")
    python = home / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(RECORDING.format(log=tmp_path / "log", old="cpu"))
    python.chmod(0o755)
    return home


def launch(home, **variables):
    """Run the launcher; return its status, what it wrote, and what pip was asked to do."""
    log = home.parent / "log"
    before = len(log.read_text().splitlines()) if log.exists() else 0
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SIMTAILOR_")}
    finished = subprocess.run(
        ["bash", "./run", "true"], cwd=home, capture_output=True, text=True, check=False,
        env={**environment, "SIMTAILOR_PYTHON": sys.executable, **variables},
    )  # fmt: skip
    asked = log.read_text().splitlines()[before:] if log.exists() else []
    return finished.returncode, finished.stderr, asked


def installed(asked):
    """Return the words after '-e' of what was installed."""
    return [line.rpartition(" ")[2] for line in asked if line.startswith("-m pip install")]


def test_one_variable_takes_the_gpu_build_in_place_of_the_other_and_it_stays(home):
    status, _, asked = launch(home)
    assert (status, installed(asked)) == (0, [".[cpu,test]"])
    assert launch(home)[2] == []  # up to date
    status, _, asked = launch(home, SIMTAILOR_EXTRAS="gpu")
    assert (status, installed(asked)) == (0, [".[gpu,test]"])
    removed = asked.index("-m pip uninstall --quiet --yes faiss-cpu faiss-gpu")
    assert removed < next(i for i, line in enumerate(asked) if "-m pip install" in line)
    assert launch(home)[2] == launch(home, SIMTAILOR_EXTRAS="gpu")[2] == []
    assert installed(launch(home, SIMTAILOR_EXTRAS="")[2]) == [".[cpu,test]"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("gpus", "Did you mean 'gpu'?"),
        ("gpu,cpu", "cpu and gpu bring the same module (faiss-cpu, faiss-gpu)"),
    ],
)
def test_extras_that_cannot_be_are_one_paragraph_and_change_nothing(home, names, words):
    launch(home)
    status, said, asked = launch(home, SIMTAILOR_EXTRAS=names)
    assert (status, asked) == (1, [])
    assert words in said
    assert len(said.splitlines()) == 1
    assert launch(home)[2] == []  # the environment counts as whole


def test_an_installation_cut_short_is_taken_up_with_the_same_extras(home):
    python = home / ".venv/bin/python"
    whole = python.read_text()
    python.write_text(whole.replace("*) grep", "*) false ;;\n*install*) exit 1 ;;\n*never*) grep"))
    status, said, _ = launch(home, SIMTAILOR_EXTRAS="gpu")
    assert status == 1
    assert "could not be installed" in said
    python.write_text(whole)
    assert installed(launch(home)[2]) == [".[gpu,test]"]


def test_every_rival_brings_a_build_of_faiss_and_the_project_itself_none():
    known = read_extras(PYPROJECT)
    for name in ("cpu", "gpu"):
        assert chosen_extras(name, known) == sorted([name, "test"])
        assert [Requirement(r).name for r in known[name]] == [f"faiss-{name}"]
    with pytest.raises(UserError, match="no extra 'faiss'"):
        chosen_extras("faiss", known)
    required = re.search(r"^dependencies = \[(.*?)^\]", PYPROJECT.read_text(), re.M | re.S).group(1)
    assert "faiss" not in required


@pytest.mark.slow
def test_pip_resolves_the_gpu_extra_with_the_constraints(tmp_path):
    """Beside the packages of this environment, as ./run would install it."""
    index = subprocess.run(
        [*PIP, "index", "versions", "faiss-gpu"], capture_output=True, text=True, check=False
    )
    if index.returncode:
        pytest.skip("no package index here")
    report = tmp_path / "report.json"
    wanted = read_extras(PYPROJECT)["gpu"]
    finished = subprocess.run(
        [*PIP, "install", "--quiet", "--dry-run", "--report", report,
         "-c", ROOT / "constraints.txt", *wanted],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    found = {
        item["metadata"]["name"].lower(): item["metadata"]["version"]
        for item in json.loads(report.read_text())["install"]
    }
    pinned = re.search(r"^faiss-gpu==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert found["faiss-gpu"] == pinned.group(1)
    assert "faiss-cpu" not in found
    assert "torch" not in found  # nothing that is there has to give way
    assert "numpy" not in found
