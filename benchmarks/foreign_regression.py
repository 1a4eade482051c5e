"""Does a network that saw only drawn pictures tell the pose in another renderer's?

    ./run python -m pip install mitsuba trimesh             # not of the project's environment
    ./run python benchmarks/foreign_regression.py           # after foreign_pictures.py

The bracket of examples/bracket, photographed by Mitsuba (see foreign_pictures.py). The fit sees the
pictures without labels, and fits pose, exposure, white balance and tint from a wide prior. Three
networks each are trained on pictures of the prior, of the fit, and on real labels of 100 pictures,
and tried on the other 160.
"""

import argparse
import datetime
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from foreign_detector import TRAIN, photographed
from machine import describe_machine

ROOT = Path(__file__).parent.parent


def write_labels(folder: Path, poses: np.ndarray) -> list[str]:
    """Write the poses beside the pictures; return the pictures' names."""
    files = sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".png"})
    rows = [
        f"{file.name},{yaw:.3f},{loc_x:.3f},{loc_z:.3f}"
        for file, (yaw, loc_x, loc_z) in zip(files, poses, strict=True)
    ]
    (folder / "labels.csv").write_text("\n".join(["file,yaw,loc_x,loc_z", *rows, ""]))
    return [file.stem for file in files]


def main() -> None:
    """Draw and label the pictures, run the workflow, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--truth", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("work/foreign_pictures"))
    parser.add_argument("--cores", default="2")
    given = parser.parse_args()
    name, folder, poses, experiment = photographed(given.work, given.truth)
    names = write_labels(folder, poses)
    configuration = {
        "results": str(given.work / "results"),
        "metasim": {"experiments": {name: experiment}},
        "worth": {"experiments": {name: {"folder": str(folder), "train": names[:TRAIN]}}},
    }
    settings = given.work / "regression.yaml"
    settings.write_text(yaml.safe_dump(configuration))
    target = given.work / "results/regression" / name
    command = [sys.executable, "-m", "snakemake", "--cores", given.cores]
    subprocess.run(
        [*command, "--configfile", str(settings), "--", str(target)], check=True, cwd=ROOT
    )
    table = (target / "README.md").read_text().split("\n", 1)[1].strip()
    page = [
        "# A regression of poses in pictures of another renderer",
        f"`./run python benchmarks/foreign_regression.py`, {datetime.date.today()}, "
        f"{describe_machine()}. {len(names) - TRAIN} pictures of a bracket, by Mitsuba.",
        table,
    ]
    Path(__file__).with_suffix(".md").write_text("\n\n".join(page) + "\n")
    print("\n\n".join(page))


if __name__ == "__main__":
    main()
