"""Recover tyol_1attr through every simulator that is here: a table, in docs/own_simulator.md.

    ./run python benchmarks/simulators.py [NAME ...] [--blender PYTHON] [--present]

The same small experiment each: a yaw of 90 ± 10 degrees in the target, 180 ± 10 at the start.
Stand-ins take the place of Unity players. A simulator that is not here is left out, and
why is said. Results that are there already are not made again; ``--present`` makes none.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pandas as pd
import yaml
from machine import describe_machine

from simtailor.render.standins.__main__ import write_stand_in

FOLDER, RESULTS = Path("work/simulators"), Path("results/metasim")
SIZE, IMAGES = 64, 400
# What tests/test_recovery.py asks of the embedded renderer, of what the target's images have:
# degrees that mean and spread may be off, and the distance.
BOUNDS = {"mean": 1.0, "std": 2.0, "wasserstein": 1.5}
# Blender takes long for a picture: fewer and smaller ones, and fewer of them in the training.
BLENDER_SIZE, BLENDER_IMAGES = 48, 200
FEWER = {
    "epochs": 6, "scenes_per_epoch": 50, "batch_size": 25, "validation_scenes": 50,
    "search": {"rounds": 8, "candidates": 100, "images": 60},
}  # fmt: skip
NAMES = ("tabletop", "unity_files", "unity_mlagents", "mujoco", "mitsuba", "blender")


def stand_in(protocol: str) -> str:
    """Return a player that draws with the ray caster; one that is there stays, and its images."""
    path = FOLDER / protocol / "Builds/3dv1.x86_64"
    if not path.exists():
        write_stand_in(path, protocol, ["--drawing", "tabletop"])
    return str(path)


def example(name: str) -> dict:
    """Return the experiment of an example."""
    found = yaml.safe_load(Path(f"examples/{name}/experiment.yaml").read_text())
    return found["metasim"]["experiments"][f"{name}_1attr"]


def experiment_of(name: str, blender: str) -> tuple[dict | None, str]:
    """Return an experiment, or None and why it is left out."""
    own = {
        "description": f"tyol_1attr through {name}",
        "grammar": "config/grammars/tyol_1attr.json",
        "target": {"grammar": "config/grammars/tyol_1attr_target.json", "images": IMAGES},
        "renderer": name,
        "stage": {"image_size": SIZE},
    }
    if name in ("unity_files", "unity_mlagents"):
        own["stage"]["build"] = stand_in(name)
    if name == "unity_mlagents" and importlib.util.find_spec("mlagents_envs") is None:
        return None, "mlagents_envs is not installed: SIMTAILOR_EXTRAS=unity ./run ..."
    if name in ("mujoco", "mitsuba"):
        if importlib.util.find_spec(name) is None:
            return None, f"{name} is not installed: ./run python -m pip install {name}"
        return example(name), ""
    if name == "blender":
        own = deepcopy(example(name))
        own["target"]["images"], own["training"] = BLENDER_IMAGES, FEWER
        own["stage"]["image_size"], own["stage"]["options"]["samples"] = BLENDER_SIZE, 1
        own["stage"]["command"] = f"{blender} adapter.py"
        asked = [Path(blender).expanduser(), "-c", "import bpy"]
        try:
            subprocess.run(asked, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None, f"{blender} has no bpy, see examples/blender/README.md"
        if not Path("examples/blender/scene.blend").exists():
            return None, "examples/blender/scene.blend is not there: make_scene.py makes it"
    return own, ""


def row_of(name: str) -> dict[str, str] | None:
    """Return a row of the table, None where there is no result."""
    path = RESULTS / f"{name}_recovery" / "summary.json"
    if not path.exists():
        return None
    summary = json.loads(path.read_text())
    yaw = summary["attributes"]["yaw"]
    off = {key: abs(yaw["generated"][key] - yaw["target"][key]) for key in ("mean", "std")}
    off["wasserstein"] = yaw["wasserstein"]
    within = all(off[key] <= most for key, most in BOUNDS.items())

    def range_of(key: str) -> str:
        low, high = yaw["generated"][f"{key}_95"]
        return f"{low:.2f} to {high:.2f}"

    target, generated = yaw["target"], yaw["generated"]
    return {
        "renderer": name,
        "pixels": str(BLENDER_SIZE if name == "blender" else SIZE),
        "target's images": str(summary["target"]["images"]),
        "their yaw": f"{target['mean']:.2f} ± {target['std']:.2f}",
        "recovered": f"{generated['mean']:.2f} ± {generated['std']:.2f}",
        "mean, 95 %": range_of("mean"),
        "spread, 95 %": range_of("std"),
        "distance": f"{yaw['wasserstein']:.2f}",
        "within bounds": "yes" if within else "no",
        "converged": "yes" if summary["converged"] else "no",
        "p": f"{summary['held_out_mmd']['p_value']:.3f}",
        "renders": f"{summary['renders']:,}",
        "training, s": f"{summary['seconds']:.0f}",
    }


def main() -> None:
    """Make what is absent, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--blender", default="~/blender-python/bin/python")
    parser.add_argument("--present", action="store_true")
    given = parser.parse_args()
    experiments = {}
    for name in () if given.present else given.names:
        experiment, why = experiment_of(name, given.blender)
        if experiment is None:
            print(f"{name} is left out: {why}", file=sys.stderr)
        else:
            experiments[f"{name}_recovery"] = experiment
    if experiments:
        FOLDER.mkdir(parents=True, exist_ok=True)
        file = FOLDER / "experiments.yaml"
        file.write_text(yaml.safe_dump({"metasim": {"experiments": experiments}}))
        targets = [str(RESULTS / name) for name in experiments]
        words = ["--cores", "1", "--keep-going", "--configfile", str(file), "--", *targets]
        subprocess.run([sys.executable, "-m", "snakemake", *words], check=False)
    rows = [row for name in NAMES if (row := row_of(name))]
    page = "\n".join([
        "# tyol_1attr through every simulator\n",
        f"By `./run python benchmarks/simulators.py`, {describe_machine()}.\n",
        pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) if rows else "",
    ])  # fmt: skip
    Path(__file__).with_suffix(".md").write_text(f"{page}\n")
    print(page)


if __name__ == "__main__":
    main()
