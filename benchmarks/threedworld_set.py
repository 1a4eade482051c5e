"""Make a set of 1,000 images through ThreeDWorld's protocol, and kill what makes it.

    SIMTAILOR_EXTRAS=tdw ./run python benchmarks/threedworld_set.py [--images 1000]

A stand-in takes the place of the build. The set is made three times by the same command: in
peace; with the build killed by SIGKILL after a fifth of the images; with the command and all its
jobs killed by SIGKILL after half of them, and the command given again. The table says what was
drawn again and whether the bytes are the same, and that WebDataset and timm read the set.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import webdataset
import yaml
from machine import describe_machine

from simtailor.render.standins.__main__ import write_stand_in
from simtailor.simulation.reading import SimulatedSet
from simtailor.torchvision_compat import import_torchvision

FOLDER, SET, SHARD = Path("work/threedworld_set"), "1_1_1_1_1_3_1_1_1", 50
BUILD_AT, COMMAND_AT = 0.2, 0.5  # shares of the images after which something is killed
LONGEST = 1800  # seconds that one making may take


def command_for(name: str, images: int, build: Path) -> list[str]:
    """Return the command that makes the set, into folders of its own."""
    tdw = {"build": str(build), "arguments": ["--drawing", "discs"], "timeout": 20}
    simulation = {
        "images": images, "image_size": 64, "shard_size": SHARD, "seed": 3, "classes": 10,
        "renderer": "tdw", "tdw": tdw,
    }  # fmt: skip
    own = FOLDER / name
    own.mkdir(parents=True)
    configuration = {
        "results": str(own / "results"),
        "work": str(own / "work"),
        "task2sim": {"simulation": simulation},
    }
    (own / "configuration.yaml").write_text(yaml.safe_dump(configuration))
    target = str(own / f"results/task2sim/sets/{SET}")
    given = ["--cores", "1", "--configfile", str(own / "configuration.yaml"), "--", target]
    return [sys.executable, "-m", "snakemake", *given]


def shards_of(name: str) -> list[Path]:
    """Return the shards that are done while the set is made."""
    return sorted((FOLDER / name / "work").rglob("shard-*.json"))


def kill_at(name: str, command: psutil.Popen, shards: int, *, build: Path | None) -> None:
    """Kill the build, or the command and all its jobs, once so many shards are there."""
    until = time.monotonic() + LONGEST
    while len(shards_of(name)) < shards:
        if command.poll() is not None or time.monotonic() > until:
            sys.exit(f"{name}: it ended before {shards} shards were there; see {FOLDER / name}")
        time.sleep(0.02)
    children = command.children(recursive=True)
    if build is not None:
        children = [child for child in children if str(build) in " ".join(child.cmdline())]
        if not children:
            sys.exit(f"{name}: no process of {build} was found")
        children[-1].kill()
        return
    command.kill()
    for child in children:
        if child.is_running():
            child.kill()
    command.wait()


def made(name: str, images: int, build: Path, killed: str = "") -> dict[str, str]:
    """Make a set, with what is killed on the way; return a row of the table."""
    command = command_for(name, images, build)
    with (FOLDER / name / "console.log").open("w") as log:
        began = time.monotonic()
        job = psutil.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        found = 0
        if killed == "the build":
            kill_at(name, job, int(BUILD_AT * images / SHARD), build=build)
        elif killed:
            kill_at(name, job, int(COMMAND_AT * images / SHARD), build=None)
            found = len(shards_of(name))
            # What ./run does by itself for a folder in which no process works.
            subprocess.run([*command[:-2], "--unlock"], stdout=log, stderr=log, check=True)
            job = psutil.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        status = job.wait()
        seconds = time.monotonic() - began
    if status:
        sys.exit(f"{name}: the command failed, see {FOLDER / name}/console.log")
    return {
        "killed": killed or "nothing",
        "images there at the second start": f"{found * SHARD:,}" if found else "",
        "seconds": f"{seconds:.0f}",
        "bytes": digest(name),
    }


def folder_of(name: str) -> Path:
    """Return where a set is."""
    return FOLDER / name / "results/task2sim/sets" / SET


def digest(name: str) -> str:
    """Return a checksum of all shards."""
    whole = hashlib.sha256()
    for shard in SimulatedSet(folder_of(name)).shards:
        whole.update(Path(shard).read_bytes())
    return whole.hexdigest()


def readers(name: str) -> str:
    """Read the set by WebDataset and by timm; return what they found."""
    import_torchvision()
    from timm.data import create_dataset

    folder = folder_of(name)
    shards = [str(shard) for shard in SimulatedSet(folder).shards]
    read = webdataset.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("jpg", "json")
    images = sum(1 for _ in read)
    data = create_dataset("wds/simtailor", root=str(folder), split="train", batch_size=1)
    labels = {label for _, label in data}
    classes = len(json.loads((folder / "manifest.json").read_text())["classes"])
    return f"WebDataset reads {images:,} images, timm {len(labels)} of {classes} classes."


def main() -> None:
    """Make the sets, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--images", type=int, default=1000)
    images = parser.parse_args().images
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    build = write_stand_in(FOLDER.resolve() / "TDW.x86_64", "tdw")
    rows = [
        made("peace", images, build),
        made("build", images, build, "the build"),
        made("command", images, build, "the command and its jobs"),
    ]
    wanted = rows[0]["bytes"]
    for row in rows:
        row["bytes"] = "the same" if row["bytes"] == wanted else "OTHERS"
    lines = ["| " + " | ".join(row.values()) + " |" for row in rows]
    text = [
        f"# A set of {images:,} images through ThreeDWorld's protocol",
        f"By `benchmarks/threedworld_set.py`, {describe_machine('tdw')}. The build is a stand-in.",
        "| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|\n" + "\n".join(lines),
        readers("command"),
    ]
    page = "\n\n".join(text) + "\n"
    Path(__file__).with_suffix(".md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
