"""What becomes of the faults of a Unity player, and after how many seconds.

    ./run python benchmarks/unity_faults.py [unity_files] [unity_mlagents]

Stand-ins make each mistake once, and then always. Needs the extra ``unity`` for its second half.
"""

import importlib.util
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from machine import describe_machine

from simtailor.errors import UserError
from simtailor.render.creation import create_renderer
from simtailor.render.standins.__main__ import write_stand_in
from simtailor.render.standins.scenes import bars
from simtailor.scene.grammar import Grammar
from simtailor.seeds import generator

SCENES, TIMEOUT, SIZE = 12, 3, 128
FAULTS = {
    "unity_files": "crash hang half_written malformed wrong_order resend slow exit",
    "unity_mlagents": "crash hang half_written malformed wrong_order resend slow version exit",
}
PLACE = {"unity_files": "2", "unity_mlagents": "5"}  # the batch, or the scene
ALWAYS = ("slow", "version", "exit")
WORDS = 90


def run(protocol: str, fault: str, once: bool) -> tuple[str, float]:
    """Return what came of a fault, and after how many seconds."""
    grammar = Grammar.read("config/grammars/tyol_3attr.json")
    graphs = grammar.sample(SCENES, generator(0, "faults"))
    wanted = bars(SIZE)([graphs.to_node_link(index) for index in range(SCENES)])
    with tempfile.TemporaryDirectory() as folder:
        place = PLACE[protocol] if once else "0"
        options = ["--drawing", "bars", "--fault", fault, "--at", place]
        options += ["--mark", f"{folder}/mark"] if once else []
        build = write_stand_in(Path(folder) / "player.x86_64", protocol, options)
        stage = {"build": str(build), "timeout": TIMEOUT, "image_size": SIZE}
        if fault == "hang" and not once:
            stage["start_timeout"] = TIMEOUT  # it never gives a sign of life
        began = time.monotonic()
        try:
            with create_renderer(protocol, **stage) as renderer:
                renderer.inner.render(graphs[:1])  # the second batch is of all scenes
                same = np.array_equal(renderer.inner.render(graphs).images, wanted)
            found = "recovered: the same pictures" if same else "OTHER PICTURES"
        except UserError as error:
            text = str(error).replace(str(build), "").replace(folder, "")
            text = re.sub(r"\{.*\}", "{...}", text.partition("stage.build: : ")[2])
            found = text if len(text) <= WORDS else f"{text[:WORDS]}..."
        took = time.monotonic() - began
    if psutil.Process().children():
        found += " ORPHANS"
    return found, took


def main() -> None:
    """Print the table."""
    print("| renderer | fault | once | s | each time | s |\n|---|---|---|---|---|---|")
    for protocol in sys.argv[1:] or FAULTS:
        if protocol == "unity_mlagents" and importlib.util.find_spec("mlagents_envs") is None:
            print("the extra 'unity' is not installed", file=sys.stderr)
            continue
        for fault in FAULTS[protocol].split():
            columns = []
            for once in (True, False):
                if once and fault in ALWAYS:
                    columns += ["", ""]
                    continue
                found, took = run(protocol, fault, once)
                columns += [found, f"{took:.1f}"]
            print(f"| {protocol} | {fault} | {' | '.join(columns)} |", flush=True)
    print(f"\n{describe_machine()}")


if __name__ == "__main__":
    main()
