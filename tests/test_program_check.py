"""The conformance table of a program, and the file of the simulator's side."""

import ast
import os
import re
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT

from simtailor.render.check import main
from simtailor.render.program import conformance, describing
from simtailor.render.program.hello import Hello
from simtailor.render.program.process import SIMULATOR_SIDE
from simtailor.render.standins.__main__ import write_stand_in

ADAPTERS = Path(__file__).parent / "adapters"
PAGE = (ROOT / "docs/own_simulator.md").read_text()


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(describing, "_asked", {})
    monkeypatch.setattr(conformance, "SPEED_SECONDS", 0.1)


def check(capsys, *words: str, folder: Path = ADAPTERS) -> tuple[int, dict[str, str]]:
    """Return the status of the table, and what it says by name."""
    status = main(["--image-size", "32", "--folder", str(folder), "--timeout", "1", "--", *words])
    printed = capsys.readouterr().out
    rows = re.findall(r"^(holds|FAILS|note ) +([^:]+): (.*(?:\n {8}.*)*)", printed, re.M)
    return status, {name: f"{result} {' '.join(text.split())}" for result, name, text in rows}


def faulty(folder: Path, fault: str) -> str:
    options = ["--drawing", "bars", "--fault", fault]
    return str(write_stand_in(folder / "program", "program", options))


def test_a_good_program_passes(capsys, tmp_path):
    status, rows = check(capsys, sys.executable, "dots_adapter.py")
    assert status == 0, [row for row in rows.values() if row[:5] == "FAILS"]
    assert not list(tmp_path.glob("simtailor-*"))
    assert {row[:5] for row in rows.values()} == {"holds", "note "}
    assert "byte for byte" in rows["the same by another process"]
    assert "1 change the image" in rows["attributes"]
    assert re.match(r"note  [\d.]+ ms an image, [\d.]+ of them between", rows["speed"])
    assert rows["no orphans"].startswith("holds") and rows["depth"] == "holds 1.50 to 1.50 m"


@pytest.mark.parametrize(
    ("fault", "name", "words"),
    [
        ("exit", "start", "the last that it printed: no display. It is to call serve()"),
        ("crash", "images", "lost 2 times at the scene"),
        ("chance", "each alone as among others", "8 of 8 differ, by up to 2"),
        ("chance", "the same by another process", "Mend: take all chance from scene.seed"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_mend(capsys, tmp_path, fault, name, words):
    status, rows = check(capsys, faulty(tmp_path, fault))
    assert status == 1
    assert rows[name].startswith("FAILS") and words in rows[name]


def test_a_wrong_call_is_told(capsys):
    assert main(["--folder", str(ADAPTERS), "--", "no_such_program"]) == 2
    assert "command: there is no program 'no_such_program'" in capsys.readouterr().err


def test_the_pages_program_without_the_helper_passes(capsys, tmp_path):
    """The messages are documented well enough to write a program from the page."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    (program,) = (block for block in blocks if "socket.AF_UNIX" in block)
    (tmp_path / "bare.py").write_text(program)
    status, rows = check(capsys, sys.executable, "bare.py", folder=tmp_path)
    assert status == 0, [row for row in rows.values() if row[:5] == "FAILS"]
    assert "does not tell its own share" in rows["speed"]
    asleep = program.replace("break  # simtailor has gone", "raise OSError")
    asleep = f"import sys, time\nsys.excepthook = lambda *error: time.sleep(60)\n{asleep}"
    # One that does not look at its connection lives on, and is told of.
    (tmp_path / "deaf.py").write_text(asleep)
    status, rows = check(capsys, sys.executable, "deaf.py", folder=tmp_path)
    assert status == 1 and rows["no orphans"].startswith("FAILS")


def test_the_pages_adapter_passes(capsys, tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    (adapter,) = (block for block in blocks if "# disc_adapter.py" in block)
    (tmp_path / "disc_adapter.py").write_text(adapter)
    status, rows = check(capsys, sys.executable, "disc_adapter.py", folder=tmp_path)
    assert status == 0, [row for row in rows.values() if row[:5] == "FAILS"]
    assert rows["mask"].startswith("holds")


def test_the_page_lists_all_keys():
    hello = PAGE.split("### The first message")[1].split("### ")[0]
    keys = set(re.findall(r"^\| `(\w+)` \|", hello, re.M))
    assert keys == {"simtailor", *Hello.model_fields}


def test_the_simulators_side_runs_on_old_pythons():
    """Nothing newer than Python 3.8, and nothing but its own library."""
    (file,) = SIMULATOR_SIDE.glob("*.py")
    tree = ast.parse(file.read_text(), feature_version=(3, 8))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert names <= sys.stdlib_module_names
    assert os.path.getsize(file) < 12_000
