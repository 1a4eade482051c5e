"""The linters are part of the tests."""

import subprocess
import sys
from pathlib import Path

import pytest
from warm_snakemake import run_warm

ROOT = Path(__file__).parent.parent
PYTHON = ["lib", "workflow_scripts", "tests", "benchmarks", "examples"]
COMMANDS = {
    "ruff check": [sys.executable, "-m", "ruff", "check", *PYTHON],
    "ruff format": [sys.executable, "-m", "ruff", "format", "--check", *PYTHON],
    "snakefmt": [str(Path(sys.executable).parent / "snakefmt"), "--check", "Snakefile", "rules"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_linter_finds_nothing(name):
    finished = subprocess.run(COMMANDS[name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_snakemake_finds_nothing():
    finished = run_warm(["snakemake", "--lint"], ROOT)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_no_file_has_marks_of_a_merge():
    """Git writes them where two changes of a line meet."""
    mark = r"^(<{7} |={7}$|>{7} )"
    command = ["git", "grep", "-nE", mark]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 1, found.stdout + found.stderr  # 1: nothing was found


def test_library_does_not_import_snakemake():
    for path in (ROOT / "lib/simtailor").rglob("*.py"):
        for line in path.read_text().splitlines():
            assert not line.strip().startswith(("import snakemake", "from snakemake")), path
