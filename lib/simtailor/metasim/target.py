"""Target images: rendered from a target grammar, or the user's own from a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from simtailor.errors import UserError
from simtailor.files import staged
from simtailor.render.renderer import Renderer
from simtailor.scene.grammar import Grammar
from simtailor.seeds import generator

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
FEWEST_IMAGES = 20
CHUNK = 256  # scenes a call: masks and depth, which a target does not keep, stay small


@dataclass(eq=False)
class TargetImages:
    """A target set.

    Attributes:
        images: uint8 [M, S, S, 3].
        features: float32 [M, N, F], the hidden attributes that only the evaluation may
            read, or None for a folder.
        notes: what was done to the user's images, in plain sentences.
    """

    images: np.ndarray
    features: np.ndarray | None
    notes: list[str]

    def write(self, path: str | Path) -> None:
        """Write to one .npz file; nothing in it is pickled."""
        features = {} if self.features is None else {"features": self.features}
        with staged(path) as staging:
            np.savez(staging, images=self.images, notes=np.array(self.notes, dtype=str), **features)

    @classmethod
    def read(cls, path: str | Path) -> TargetImages:
        """Read what ``write`` wrote."""
        with np.load(path) as stored:
            features = stored.get("features")
            return cls(stored["images"], features, [str(n) for n in stored["notes"]])


def render_target(grammar: Grammar, renderer: Renderer, count: int, seed: int) -> TargetImages:
    """Render ``count`` target images; the seed's stream is apart from the training's."""
    graphs = grammar.sample(count, generator(seed, "target"))
    parts = [renderer.render(graphs[i : i + CHUNK]).images for i in range(0, count, CHUNK)]
    return TargetImages(np.concatenate(parts), graphs.features, [])


def image_files(folder: str | Path) -> list[Path]:
    """Return the images of a folder and its subfolders, sorted by path.

    Raises:
        UserError: there is no such folder, or it holds too few images.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: target.folder: no such folder")
    files = sorted(
        p
        for p in folder.rglob("*")
        if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".") and p.is_file()
    )
    if len(files) < FEWEST_IMAGES:
        raise UserError(
            f"{folder}: target.folder: found {len(files)} images ({', '.join(IMAGE_SUFFIXES)}), "
            f"at least {FEWEST_IMAGES} are needed"
        )
    return files


def read_target(folder: str | Path, size: int, most: int, seed: int) -> TargetImages:
    """Read a folder of images as a target.

    Images are turned as their EXIF data say, cut to the middle square and resized. If the
    folder holds more than ``most``, a random choice is taken.

    Raises:
        UserError: the folder is empty, or some of its images cannot be read; all are named.
    """
    files = image_files(folder)
    notes = []
    if len(files) > most:
        chosen = generator(seed, "target choice").choice(len(files), most, replace=False)
        notes.append(f"{most} of {len(files)} images were taken (target.images)")
        files = [files[i] for i in sorted(chosen)]
    images, sizes, broken = [], set(), []
    for file in files:
        try:
            with Image.open(file) as opened:
                image = _as_rgb(ImageOps.exif_transpose(opened))
        except Exception as error:  # decoders of damaged files raise errors of many kinds
            broken.append(f"{file}: {error}")
            continue
        sizes.add(image.size)
        images.append(np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)))
    if broken:
        shown = "\n  ".join(broken[:20])
        more = f"\n  and {len(broken) - 20} more" if len(broken) > 20 else ""
        raise UserError(
            f"{folder}: target.folder: {len(broken)} of {len(files)} images cannot be read; "
            f"remove or replace them:\n  {shown}{more}"
        )
    if sizes != {(size, size)}:
        listed = ", ".join(f"{w} x {h}" for w, h in sorted(sizes)[:5])
        more = f" and {len(sizes) - 5} other sizes" if len(sizes) > 5 else ""
        notes.append(
            f"images of {listed}{more} were cut to a square and resized to {size} x {size}"
        )
    return TargetImages(np.stack(images), None, notes)


@dataclass(frozen=True)
class TargetParts:
    """Indices of the target's images by what they are for.

    Attributes:
        training: what the generator is fitted to.
        validation: what chooses the best epoch.
        held_out: what the verdict is taken from, in random order.
    """

    training: np.ndarray
    validation: np.ndarray
    held_out: np.ndarray


def split_target(count: int, validation: float, held_out: float, seed: int) -> TargetParts:
    """Split ``count`` images at random by the shares of the two smaller parts."""
    order = generator(seed, "held out").permutation(count)
    first = max(2, round(held_out * count))
    second = first + max(2, round(validation * count))
    return TargetParts(np.sort(order[second:]), np.sort(order[first:second]), order[:first])


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # Pillow would clip these to white instead of scaling
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")
