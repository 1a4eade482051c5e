"""Does a detector that saw only drawn pictures find the object in another renderer's?

    ./run python -m pip install mitsuba trimesh             # not of the project's environment
    ./run python benchmarks/foreign_detector.py             # after foreign_pictures.py

The bracket of examples/bracket, photographed by Mitsuba (see foreign_pictures.py). The fit sees the
pictures without labels, and fits pose, exposure, white balance and tint from a wide prior. Three
detectors each are trained on pictures of the prior, of the fit, and on real labels of 100
pictures, and tried on the other 160. Boxes are those of the mesh's corners in Mitsuba's camera.
"""

import argparse
import datetime
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import trimesh
import yaml
from foreign_pictures import (
    FRAME,
    GRAMMAR,
    LENGTH,
    LENS,
    LOOKS,
    MESH,
    SIZE,
    TRUTHS,
    draw_poses,
    photograph,
)
from machine import describe_machine

from simtailor.files import read_json

ROOT = Path(__file__).parent.parent
TRAIN = 100  # pictures with labels for the detector 'real'


def corners() -> np.ndarray:
    """Return the mesh's vertices as ``photograph`` places them, in metres: [n, 3]."""
    scene = trimesh.load(MESH)
    upright = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float)
    places = np.concatenate([p.vertices @ upright.T for p in scene.dump(concatenate=False)])
    low, high = places.min(0), places.max(0)
    return (places - (low + high) / 2) * LENGTH / (high - low).max()


def box_of(places: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Return left, top, right and bottom of the object in a picture, pixels."""
    yaw, loc_x, loc_z = pose
    turn = np.radians(-yaw)
    cosine, sine = np.cos(turn), np.sin(turn)
    about = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    above = np.ptp(places[:, 1]) / 2
    seen = places @ about.T + [(100 - loc_x) / 100, above, (loc_z - 100) / 100]
    height = FRAME / 2 / np.tan(np.radians(25))
    scale = 1 / np.tan(np.radians(LENS / 2)) / (height - seen[:, 1])
    # The camera looks down with -z up in the picture; x grows to the right of the world's left.
    across, down = seen[:, 0] * scale, seen[:, 2] * scale
    ends = np.array([across.min(), down.min(), across.max(), down.max()])
    return ((ends + 1) / 2 * SIZE).clip(0, SIZE)


def label(folder: Path, poses: np.ndarray) -> list[str]:
    """Write a Pascal VOC file beside every picture; return the pictures' names."""
    places, names = corners(), []
    for number, pose in enumerate(poses):
        names.append(f"{number:04d}")
        root = ET.Element("annotation")
        item = ET.SubElement(root, "object")
        ET.SubElement(item, "name").text = "bracket"
        found = ET.SubElement(item, "bndbox")
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box_of(places, pose), strict=True):
            ET.SubElement(found, key).text = f"{value:.2f}"
        path = folder / f"{names[-1]}.xml"
        if not path.exists():
            ET.ElementTree(root).write(path)
    return names


def photographed(work: Path, number: int) -> tuple[str, Path, np.ndarray, dict]:
    """Return an experiment's name, the folder of its pictures, their poses, and its settings."""
    truth, folder = TRUTHS[number], work / f"truth_{number}"
    poses = draw_poses(number, truth)
    photograph(truth, poses, folder)
    grammar = work / "looks.yaml"
    if not grammar.exists():
        grammar.write_text(yaml.safe_dump(GRAMMAR | LOOKS))
    experiment = {
        "description": "A bracket, photographed by another renderer.",
        "grammar": str(grammar),
        "target": {"folder": str(folder)},
        "features": {"kind": "edges"},
        "stage": {"file": "examples/bracket/stage.yaml", "frame_width": FRAME, "image_size": 64},
    }
    return f"foreign_{number}_looks", folder, poses, experiment


def main() -> None:
    """Draw and label the pictures, run the workflow, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--truth", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("work/foreign_pictures"))
    parser.add_argument("--cores", default="2")
    given = parser.parse_args()
    name, folder, poses, experiment = photographed(given.work, given.truth)
    names = label(folder, poses)
    labelled = {
        "folder": str(folder), "train": names[:TRAIN], "stage": {"image_size": SIZE, "samples": 4},
    }  # fmt: skip
    configuration = {
        "results": str(given.work / "results"),
        "metasim": {"experiments": {name: experiment}},
        "detector": {
            "sources": ["prior", "fit", "real"],
            "training": {"crop": 96},
            "experiments": {name: labelled},
        },
    }
    settings = given.work / "detector.yaml"
    settings.write_text(yaml.safe_dump(configuration))
    target = given.work / "results/detector" / name
    command = [sys.executable, "-m", "snakemake", "--cores", given.cores]
    subprocess.run(
        [*command, "--configfile", str(settings), "--", str(target)], check=True, cwd=ROOT
    )
    table = (target / "README.md").read_text().split("\n", 1)[1].strip()
    objects = read_json(target / "summary.json")["objects"]
    page = [
        "# A detector for pictures of another renderer",
        f"`./run python benchmarks/foreign_detector.py`, {datetime.date.today()}, "
        f"{describe_machine()}. {objects} pictures with a bracket each, by Mitsuba.",
        table,
    ]
    Path(__file__).with_suffix(".md").write_text("\n\n".join(page) + "\n")
    print("\n\n".join(page))


if __name__ == "__main__":
    main()
