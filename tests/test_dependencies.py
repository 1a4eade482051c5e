"""pyproject.toml names what the code imports, and nothing else."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Python 3.11 does not see which package a compiled module without a folder is of.
INSTALLED = {"OpenEXR": ["openexr"]} | packages_distributions()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TEST = "test"  # the extra that users do not need
# Other renderers and another method, which only comparisons ask for.
OPTIONAL = {"moderngl", "pyvista", "vtk", "sbi"}
EXTRA = {
    "mitsuba",
    "flatbuffers",
    "tdw",
    "zmq",
    "google",
    "grpc",
    "mlagents_envs",
}  # of tdw, unity, a benchmark
# Commands and plugins, which nothing imports, what brings distutils to mlagents_envs, and what the
# server of moto needs.
COMMANDS = {
    "flask", "flask-cors", "mkdocs-material", "pytest-xdist", "ruff", "setuptools", "snakefmt",
    "snakemake", "snakemake-executor-plugin-kubernetes", "snakemake-executor-plugin-slurm",
    "snakemake-storage-plugin-s3",
}  # fmt: skip
BY_NAME = {"find_spec", "import_module", "importorskip"}


def normal(requirement: str) -> str:
    """Return a requirement's name alone, as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement).group()).lower()


def declared(*extras: str) -> set[str]:
    parts = [PROJECT["optional-dependencies"][extra] for extra in extras]
    return {normal(r) for part in (PROJECT["dependencies"], *parts) for r in part}


@cache
def imports(*folders: str) -> dict[str, str]:
    """Return the modules that are imported from elsewhere, and a file that does so of each."""
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    scripts = [file for file in files if ROOT / "lib" not in file.parents]
    own = {
        "simtailor",
        "simtailor_simulator",
        *(name for file in scripts for name in (file.stem, file.parent.name)),
    }
    found = {}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            elif isinstance(node, ast.Call) and node.args:
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if called in BY_NAME and isinstance(node.args[0], ast.Constant):
                    names = [node.args[0].value]
            found |= {name.split(".")[0]: str(file.relative_to(ROOT)) for name in names}
    return {n: f for n, f in found.items() if n not in own | sys.stdlib_module_names}


def packages_of(module: str) -> set[str]:
    """Return the packages that a module may come from; one that is not installed has its name."""
    return {normal(name) for name in INSTALLED.get(module, [module])}


USERS = ["lib", "workflow_scripts"]
EXTRAS = set(PROJECT["optional-dependencies"])
PARTS = [(USERS, EXTRAS - {TEST}), ([*USERS, "tests", "benchmarks"], EXTRAS)]


@pytest.mark.parametrize(("folders", "extras"), PARTS, ids=["users", "everybody"])
def test_what_is_imported_is_declared(folders, extras):
    missing = {
        module: file
        for module, file in imports(*folders).items()
        if module not in OPTIONAL | EXTRA and not packages_of(module) & declared(*extras)
    }
    assert not missing


@pytest.mark.parametrize(("folders", "extras"), PARTS, ids=["users", "everybody"])
def test_what_is_declared_is_imported(folders, extras):
    used = set().union(*map(packages_of, imports(*folders)))
    installed = {normal(name) for names in INSTALLED.values() for name in names}
    assert not (declared(*extras) & installed) - used - COMMANDS


# Of simulators: the extras unity and tdw, and what the examples need.
SIMULATORS = {"mlagents_envs", "grpc", "google", "tdw", "zmq", "flatbuffers", "mitsuba", "mujoco",
              "bpy", "simtailor_simulator"}  # fmt: skip
SPEAKS_TO_THEM = (
    "simtailor.render.unity_mlagents.", "simtailor.render.standins.", "simtailor.simulation.tdw.",
)  # fmt: skip


def imported_at_once(file: Path) -> set[str]:
    """Return the modules that are imported when a file is: those at its top."""
    found, left = set(), list(ast.parse(file.read_text()).body)
    while left:
        node = left.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.With | ast.Try):
            left += node.body
    return found


def test_only_what_speaks_to_a_simulator_imports_its_package():
    lib, at_once = ROOT / "lib", {}
    for file in (lib / "simtailor").rglob("*.py"):
        parts = file.relative_to(lib).with_suffix("").parts
        if "simulator_side" not in parts:
            name = ".".join(parts).removesuffix(".__init__")
            at_once[name] = imported_at_once(file)
    needing = {n for n, names in at_once.items() if {x.split(".")[0] for x in names} & SIMULATORS}
    assert {"simtailor.render.unity_mlagents.package", "simtailor.simulation.tdw.session"} < needing
    while more := {name for name, names in at_once.items() if names & needing} - needing:
        needing |= more
    assert not {name for name in needing if not name.startswith(SPEAKS_TO_THEM)}
