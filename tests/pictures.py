"""Folders of drawn pictures for tests of tasks."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_picture(path: Path, colour: int, seed: int, size: tuple[int, int] = (20, 16)) -> None:
    """Write a picture of one bright channel and noise."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 80, (size[1], size[0], 3))
    pixels[..., colour % 3] += 150
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def draw_folder(folder: Path, classes: int = 3, a_class: int = 12) -> Path:
    """Write ``folder/CLASS/NUMBER.png``."""
    for c in range(classes):
        for i in range(a_class):
            write_picture(folder / ["red", "green", "blue"][c] / f"{i}.png", c, 100 * c + i)
    return folder
