"""The recipes of containers install what the project says, and copy files that are there."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCKER = (ROOT / "envs/Dockerfile").read_text()
APPTAINER = (ROOT / "envs/simtailor.def").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = {"Snakefile", "rules", "workflow_scripts", "config", "profiles", "envs", "lib", "docs",
          "pyproject.toml", "constraints.txt", "run"}  # fmt: skip


def instructions(name):
    """Return the words of each instruction of the Dockerfile with a name."""
    return [shlex.split(line)[1:] for line in DOCKER.splitlines() if line.startswith(f"{name} ")]


def section(name):
    """Return the lines of a section of Apptainer's recipe."""
    found = re.search(rf"^%{name}\n((?: .*\n|\n)*)", APPTAINER, re.MULTILINE)
    return [line.strip() for line in found.group(1).splitlines() if line.strip()]


def copied():
    """Return by recipe what goes where below the project's folder in the image."""
    docker = {}
    for *sources, target in instructions("COPY"):
        docker |= {s: str(Path(target, s if target == "./" else "")) for s in sources}
    files = dict(line.split() for line in section("files"))
    return docker, {s: str(Path(t).relative_to("/opt/simtailor")) for s, t in files.items()}


def test_both_copy_the_same_files_to_their_places():
    docker, apptainer = copied()
    assert docker == apptainer == {source: source for source in docker}
    assert set(docker) >= NEEDED
    assert all((ROOT / source).exists() for source in docker)
    shown = set((ROOT / "envs/Dockerfile.dockerignore").read_text().split())
    assert {f"!{source}" for source in docker} <= shown


@pytest.mark.parametrize("recipe", [DOCKER, APPTAINER], ids=["docker", "apptainer"])
def test_both_install_by_the_constraints_on_the_same_python(recipe):
    installing = re.findall(r"pip install .*", recipe)
    assert len(installing) == 1
    assert "-c constraints.txt -e" in installing[0]
    assert "pip check" in installing[0]
    image = re.search(r"^(?:FROM|From:) python:(3\.\d+)-slim-bookworm$", recipe, re.MULTILINE)
    assert f"Python :: {image.group(1)}" in "".join(PROJECT["classifiers"])
    extras = re.search(r"EXTRAS=(\S+)$", recipe, re.MULTILINE).group(1).split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])
    assert "exec snakemake" in recipe or 'ENTRYPOINT ["snakemake"' in recipe
