"""Does a detector that saw only drawn pictures find the object in another renderer's?

    ./run python -m pip install mitsuba trimesh             # not of the project's environment
    ./run python benchmarks/foreign_detector.py             # after foreign_pictures.py

The bracket of examples/bracket, photographed by Mitsuba (see foreign_pictures.py). The fit sees the
pictures without labels, and fits pose, exposure, white balance and tint from a wide prior. Three
detectors each are trained on pictures of the prior, of the fit, and on real labels of 100
pictures, and tried on the other 160. Boxes are those of the mesh's corners in Mitsuba's camera.
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Photographed:
    """Pictures of a truth, and the command that was given.

    Attributes:
        name: of the experiment; experiment: its settings.
        folder: of the pictures; poses: [n, 3], yaw, loc_x and loc_z.
        script: the file that was run; work: folder of what is made; cores: for the workflow.
    """

    name: str
    experiment: dict
    folder: Path
    poses: np.ndarray
    script: Path
    work: Path
    cores: str

    @classmethod
    def asked(cls, script: str, about: str) -> Photographed:
        """Read the command's options, and draw the pictures that are not there."""
        parser = argparse.ArgumentParser(description=about.split("\n", maxsplit=1)[0])
        parser.add_argument("--truth", type=int, default=3)
        parser.add_argument("--work", type=Path, default=Path("work/foreign_pictures"))
        parser.add_argument("--cores", default="2")
        given = parser.parse_args()
        truth, folder = TRUTHS[given.truth], given.work / f"truth_{given.truth}"
        poses = draw_poses(given.truth, truth)
        photograph(truth, poses, folder)
        grammar = given.work / "looks.yaml"
        if not grammar.exists():
            grammar.write_text(yaml.safe_dump(GRAMMAR | LOOKS))
        stage = {"file": "examples/bracket/stage.yaml", "frame_width": FRAME, "image_size": 64}
        experiment = {
            "description": "A bracket, photographed by another renderer.",
            "grammar": str(grammar),
            "target": {"folder": str(folder)},
            "features": {"kind": "edges"},
            "stage": stage,
        }
        name = f"foreign_{given.truth}_looks"
        return cls(name, experiment, folder, poses, Path(script), given.work, given.cores)

    def compare(self, kind: str, title: str, **sections: Any) -> None:
        """Run the workflow for results/KIND/NAME and write its table beside the script."""
        settings = self.work / f"{kind}.yaml"
        values = {
            "results": str(self.work / "results"),
            "metasim": {"experiments": {self.name: self.experiment}},
        }
        settings.write_text(yaml.safe_dump(values | sections))
        target = self.work / "results" / kind / self.name
        command = [sys.executable, "-m", "snakemake", "--cores", self.cores]
        command += ["--configfile", str(settings), "--", str(target)]
        subprocess.run(command, check=True, cwd=ROOT)
        table = (target / "README.md").read_text().split("\n", 1)[1].strip()
        page = [
            f"# {title}",
            f"`./run python benchmarks/{self.script.name}`, {datetime.date.today()}, "
            f"{describe_machine()}. {len(self.poses) - TRAIN} pictures of a bracket, by Mitsuba.",
            table,
        ]
        self.script.with_suffix(".md").write_text("\n\n".join(page) + "\n")
        print("\n\n".join(page))


def main() -> None:
    """Draw and label the pictures, run the workflow, and write the page."""
    asked = Photographed.asked(__file__, __doc__)
    labelled = {
        "folder": str(asked.folder),
        "train": label(asked.folder, asked.poses)[:TRAIN],
        "stage": {"image_size": SIZE, "samples": 4},
    }
    detector = {
        "sources": ["prior", "fit", "real"],
        "training": {"crop": 96},
        "experiments": {asked.name: labelled},
    }
    asked.compare("detector", "A detector for pictures of another renderer", detector=detector)


if __name__ == "__main__":
    main()
