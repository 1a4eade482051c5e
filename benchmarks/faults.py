"""What becomes of a simulator's faults, by protocol, and after how many seconds.

    ./run python benchmarks/faults.py [program] [unity_files] [unity_mlagents] [tdw]

Stand-ins make each mistake once, and then always; the time limit is three seconds, and nothing may
be lost more than twice at one place. A table goes to benchmarks/faults.md for each protocol.
``unity_mlagents`` and ``tdw`` need the extras ``unity`` and ``tdw``.
"""

import importlib.util
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from machine import describe_machine

from simtailor.errors import UserError
from simtailor.render.creation import create_renderer
from simtailor.render.program.scenes import scenes_of
from simtailor.render.standins import program_scenes
from simtailor.render.standins.__main__ import write_stand_in
from simtailor.render.standins.scenes import bars
from simtailor.scene.grammar import Grammar
from simtailor.seeds import generator
from simtailor.simulation.making import SetPlan
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.tdw.machine import ThreeDWorldMachine
from simtailor.simulation.tdw.records import read_catalogue

SCENES, TIMEOUT, SIZE = 12, 3, 128
FAULTS = {
    "program": "crash hang half_written malformed wrong_order resend error slow version setup deaf "
    "exit",
    "unity_files": "crash hang half_written malformed wrong_order resend slow exit",
    "unity_mlagents": "crash hang half_written malformed wrong_order resend slow version exit",
    "tdw": "crash hang half_written malformed wrong_order resend no_object quit slow version exit",
}
PLACE = {"program": "5", "unity_files": "2", "unity_mlagents": "5", "tdw": "5"}  # batch or scene
ALWAYS_AT = {"program": "1", "unity_files": "0", "unity_mlagents": "0", "tdw": "1"}
DRAWING = {"tdw": "discs"}  # or bars
NEEDED = {"unity_mlagents": "mlagents_envs", "tdw": "tdw"}
ALWAYS = ("slow", "version", "exit", "setup", "deaf")  # these know no place
WORDS = 90
FILE = Path(__file__).with_suffix(".md")


def graphs_drawn(protocol: str, build: Path, limits: dict[str, float]) -> bool:
    """Draw scene graphs by a stand-in; return whether the pictures are as they should be."""
    grammar = Grammar.read("config/grammars/tyol_3attr.json")
    graphs = grammar.sample(SCENES, generator(0, "faults"))
    stage = {"image_size": SIZE, **limits}
    if protocol == "program":
        wanted = [program_scenes.bars(s["nodes"], SIZE) for s in scenes_of(graphs, {})]
        stage |= {"command": [str(build)]}
    else:
        wanted = bars(SIZE)([graphs.to_node_link(index) for index in range(SCENES)])
        stage |= {"build": str(build)}
    with create_renderer(protocol, **stage) as renderer:
        renderer.inner.render(graphs[:1])  # the second batch is of all scenes
        return np.array_equal(renderer.inner.render(graphs).images, wanted)


def set_drawn(build: Path, limits: dict[str, float]) -> np.ndarray:
    """Return images of a simulated set, drawn by a stand-in."""
    plan = SetPlan.create(
        "1_1_1_1_1_3_1_1_1",
        {"renderer": "tdw", "classes": 3, "seed": 0, "tdw": {"build": str(build), **limits}},
    )
    settings = plan.settings.tdw
    machine = ThreeDWorldMachine(settings, 1, None, lambda line: None)
    with machine.studio(read_catalogue(settings, plan.settings.classes)) as studio:
        parameters = SimulationParameters.parse(str(plan.parameters))
        return studio.take(
            parameters, 0, np.arange(SCENES), image_size=SIZE, samples=1, field_of_view=60
        ).images


def run(protocol: str, fault: str, once: bool) -> tuple[str, float]:
    """Return what came of a fault, and after how many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        at = PLACE[protocol] if once else ALWAYS_AT[protocol]
        options = ["--drawing", DRAWING.get(protocol, "bars"), "--fault", fault, "--at", at]
        options += ["--mark", f"{folder}/mark"] if once else []
        build = write_stand_in(Path(folder) / "player.x86_64", protocol, options)
        limits = {"timeout": TIMEOUT}
        if fault == "deaf" or (fault == "hang" and not once and protocol.startswith("unity")):
            limits["start_timeout"] = TIMEOUT  # it never gives a sign of life
        draw: Callable[[], bool] = lambda: graphs_drawn(protocol, build, limits)  # noqa: E731
        if protocol == "tdw":
            fine = write_stand_in(Path(folder) / "fine.x86_64", protocol, options[:2])
            wanted = set_drawn(fine, {})
            draw = lambda: np.array_equal(set_drawn(build, limits), wanted)  # noqa: E731
        began = time.monotonic()
        try:
            found = "recovered: the same pictures" if draw() else "OTHER PICTURES"
        except UserError as error:
            text = str(error).replace(str(build), "").replace(folder, "")
            text = re.sub(r"^(renderer '\w+': stage\.\w+: : |.*?renderer: 'tdw': )", "", text)
            text = re.sub(r"\{.*\}", "{...}", text)
            found = text if len(text) <= WORDS else f"{text[:WORDS]}..."
        took = time.monotonic() - began
    if psutil.Process().children():
        found += " ORPHANS"
    return found, took


def table(protocol: str) -> str:
    """Return the table of a protocol."""
    rows = ["| fault | once | s | each time | s |\n|---|---|---|---|---|"]
    for fault in FAULTS[protocol].split():
        columns = []
        for once in (True, False):
            if once and fault in ALWAYS:
                columns += ["", ""]
                continue
            found, took = run(protocol, fault, once)
            columns += [found.replace("|", "/"), f"{took:.1f}"]
        rows.append(f"| {fault} | {' | '.join(columns)} |")
        print(f"{protocol} {rows[-1]}", flush=True)
    return "\n".join(rows)


def main() -> None:
    """Make the tables; those of protocols that were not asked for stay."""
    text = FILE.read_text() if FILE.exists() else "# Faults of simulators\n"
    for protocol in sys.argv[1:] or FAULTS:
        module = NEEDED.get(protocol)
        if module and importlib.util.find_spec(module) is None:
            print(f"{protocol} is left out: {module} is not installed", file=sys.stderr)
            continue
        section = f"\n## {protocol}\n\n{describe_machine()}\n\n{table(protocol)}\n"
        text = re.sub(rf"\n## {protocol}\n.*?(?=\n## |\Z)", "", text, flags=re.S) + section
        FILE.write_text(text)


if __name__ == "__main__":
    main()
