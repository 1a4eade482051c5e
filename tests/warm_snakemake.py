"""Snakemake in processes forked from one that has imported it, which saves seconds a start."""

import os
import runpy
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

# What every run imports of others, none of which starts a thread that a fork would lose. Not the
# project's own modules: some look into the folder that they are imported in.
IMPORTED = ["snakemake.cli", "smart_open", "nbformat", "pydantic", "yaml"]
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(IMPORTED)


def become(words: list[str], folder: str, environment: dict[str, str], files: list[str]) -> None:
    """Be `python -m` with some words in a folder, and write stdout and stderr into files."""
    for descriptor, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    own = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [folder, *(path for path in own if path)]
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def run_warm(words: list[str], folder: Path) -> subprocess.CompletedProcess:
    """Run `python -m snakemake ...` in a folder to its end."""
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        values = (words, str(folder), dict(os.environ), [out.name, err.name])
        process = FORKS.Process(target=become, args=values)
        process.start()
        process.join()
        said = [Path(file.name).read_text() for file in (out, err)]
    return subprocess.CompletedProcess(words, process.exitcode, *said)
