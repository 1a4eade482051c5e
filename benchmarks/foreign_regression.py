"""Does a network that saw only drawn pictures tell the pose in another renderer's?

    ./run python -m pip install mitsuba trimesh             # not of the project's environment
    ./run python benchmarks/foreign_regression.py           # after foreign_pictures.py

The bracket of examples/bracket, photographed by Mitsuba (see foreign_pictures.py). The fit sees the
pictures without labels, and fits pose, exposure, white balance and tint from a wide prior. Three
networks each are trained on pictures of the prior, of the fit, and on real labels of 100 pictures,
and tried on the other 160.
"""

from pathlib import Path

import numpy as np
from foreign_detector import TRAIN, Photographed


def write_labels(folder: Path, poses: np.ndarray) -> list[str]:
    """Write the poses beside the pictures; return the pictures' names."""
    files = sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".png"})
    rows = [
        f"{file.name},{yaw:.3f},{loc_x:.3f},{loc_z:.3f}"
        for file, (yaw, loc_x, loc_z) in zip(files, poses, strict=True)
    ]
    text, table = "\n".join(["file,yaw,loc_x,loc_z", *rows, ""]), folder / "labels.csv"
    if not table.exists() or table.read_text() != text:  # else all would be trained anew
        table.write_text(text)
    return [file.stem for file in files]


def main() -> None:
    """Draw and label the pictures, run the workflow, and write the page."""
    asked = Photographed.asked(__file__, __doc__)
    names = write_labels(asked.folder, asked.poses)
    labelled = {asked.name: {"folder": str(asked.folder), "train": names[:TRAIN]}}
    title = "A regression of poses in pictures of another renderer"
    asked.compare("regression", title, worth={"experiments": labelled})


if __name__ == "__main__":
    main()
