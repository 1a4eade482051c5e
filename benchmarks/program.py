"""What ``renderer: program`` adds to a simulator's own time, by image size.

    ./run python benchmarks/program.py

The program gives a ready image, so all that is measured is between it and simtailor: scenes to
JSON, sockets on both sides, checks, and keeping the images where that is asked for. Processor time
is that of both processes together. The clock waits for other work on a busy machine, so the fastest
of several rounds stands there.
"""

import sys
import tempfile
import time
from pathlib import Path

import psutil
from machine import describe_machine

from simtailor.render import checked
from simtailor.render.creation import create_renderer
from simtailor.scene.grammar import Grammar
from simtailor.seeds import generator

SIZES, SCENES, ROUNDS = (64, 128, 256), 256, 9
ADAPTER = """
import numpy as np
from simtailor_simulator import ANGLE, serve

def setup(settings):
    size = settings.image_size
    smooth = np.add.outer(np.arange(size), np.arange(size))[..., None] // [2, 3, 5]
    return (smooth + np.random.default_rng(0).integers(0, 9, smooth.shape)).astype(np.uint8)

def render(scene, world):
    world[0, 0, 0] = int(scene.value("object", "yaw", 0)) % 256
    return world

serve(render, setup=setup, name="ready", attributes={"object": {"yaw": ANGLE}})
"""


def measure(size: int, cache: str | None, folder: str) -> tuple[float, float]:
    """Return milliseconds an image: processor time of both sides, and the clock's."""
    command = [sys.executable, "adapter.py"]
    stage = {"image_size": size, "command": command, "folder": folder, "cache": cache}
    with create_renderer("program", **stage) as renderer:
        attributes = renderer.description.attributes
        grammar = Grammar.read("config/grammars/tyol_1attr.json", attributes)
        processes = [psutil.Process(), *map(psutil.Process, renderer.inner.process_ids)]
        rounds = []
        for number in range(ROUNDS + 2):
            graphs = grammar.sample(SCENES, generator(0, "overhead", number))
            before, own = _processor(processes), renderer.inner.seconds
            began = time.perf_counter()
            renderer.render(graphs)
            took = time.perf_counter() - began
            own = renderer.inner.seconds - own
            rounds.append((_processor(processes) - before, took - own))
    # The first two find out how many scenes a call may have.
    return tuple(1000 * min(values) / SCENES for values in zip(*rounds[2:], strict=True))


def _processor(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def main() -> None:
    """Print the table."""
    checked.WORTH_KEEPING = 0  # a ready image is there too soon
    print("| pixels | images are | processor, ms an image | clock, ms an image |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "adapter.py").write_text(ADAPTER)
        for size in SIZES:
            for kept, cache in (("not kept", None), ("kept", f"{folder}/cache")):
                processor, clock = measure(size, cache, folder)
                print(f"| {size} | {kept} | {processor:.2f} | {clock:.2f} |", flush=True)
    print(f"\n*{describe_machine()}*")


if __name__ == "__main__":
    main()
