"""The linters are part of the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHON = ["lib", "workflow_scripts", "tests", "benchmarks"]
COMMANDS = {
    "ruff check": ["-m", "ruff", "check", *PYTHON],
    "ruff format": ["-m", "ruff", "format", "--check", *PYTHON],
    "snakefmt": ["-m", "snakefmt.snakefmt", "--check", "Snakefile", "rules"],
    "snakemake --lint": ["-m", "snakemake", "--lint"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_linter_finds_nothing(name):
    script = Path(sys.executable).parent / "snakefmt"
    command = [sys.executable, *COMMANDS[name]]
    if name == "snakefmt":
        command = [str(script), "--check", "Snakefile", "rules"]
    finished = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_library_does_not_import_snakemake():
    for path in (ROOT / "lib").rglob("*.py"):
        for line in path.read_text().splitlines():
            assert not line.strip().startswith(("import snakemake", "from snakemake")), path
