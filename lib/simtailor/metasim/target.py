"""Target images: rendered from a target grammar, or the user's own from a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from simtailor.config import Evaluation
from simtailor.errors import UserError
from simtailor.files import staged
from simtailor.metasim.labels import LabelledImages, object_classes, scene_labels, translated_labels
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch
from simtailor.seeds import generator

if TYPE_CHECKING:
    from simtailor.render.renderer import Renderer

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
FEWEST_IMAGES = 20
FEWEST_CLASSES = 2
UNEVEN = 1.5  # times as many images of one class as of another
CHUNK = 256  # scenes a call, which bounds the memory of their pictures


@dataclass(eq=False)
class TargetImages:
    """A target set.

    Attributes:
        images: uint8 [M, S, S, 3].
        features: float32 [M, N, F], the hidden attributes that only the evaluation may
            read, or None for a folder.
        notes: what was done to the user's images and which labels were found, in plain
            sentences.
        labels: int64 [M], indices into ``label_names``, or None where nothing tells at
            least two classes apart.
        label_names: names of the classes, sorted.
    """

    images: np.ndarray
    features: np.ndarray | None
    notes: list[str]
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()

    @property
    def grey(self) -> bool:
        """Whether the three channels of every image are the same."""
        return bool((self.images == self.images[..., :1]).all())

    def write(self, path: str | Path) -> None:
        """Write to one .npz file; nothing in it is pickled."""
        arrays = {"images": self.images, "notes": np.array(self.notes, dtype=str)}
        if self.features is not None:
            arrays["features"] = self.features
        if self.labels is not None:
            arrays["labels"] = self.labels
            arrays["label_names"] = np.array(self.label_names, dtype=str)
        with staged(path) as staging:
            np.savez(staging, **arrays)

    def resized(self, size: int) -> TargetImages:
        """Return the target with images averaged down to ``size`` pixels, if they are larger."""
        if self.images.shape[1] <= size:
            return self
        import torch  # noqa: PLC0415  the workflow reads this module while it plans

        parts = []
        for first in range(0, len(self.images), CHUNK):
            images = torch.from_numpy(self.images[first : first + CHUNK]).permute(0, 3, 1, 2)
            small = torch.nn.functional.adaptive_avg_pool2d(images.float(), size)
            parts.append(small.round().byte().permute(0, 2, 3, 1).contiguous().numpy())
        return replace(self, images=np.concatenate(parts))

    def labelled(self, part: np.ndarray, names: Sequence[str]) -> LabelledImages:
        """Return a part of the target, int64 [n] indices, with labels that index ``names``.

        Raises:
            UserError: the target has no labels, or one that is not among ``names``.
        """
        if self.labels is None:
            raise UserError("the target has no labels, which a task needs; see target.folder")
        labels = translated_labels(self.labels[part], self.label_names, names, "target")
        return LabelledImages(self.images[part], labels)

    @classmethod
    def read(cls, path: str | Path) -> TargetImages:
        """Read what ``write`` wrote."""
        with np.load(path) as stored:
            return cls(
                stored["images"],
                stored.get("features"),
                [str(n) for n in stored["notes"]],
                stored.get("labels"),
                tuple(str(n) for n in stored.get("label_names", ())),
            )


def render_target(grammar: Grammar, renderer: Renderer, count: int, seed: int) -> TargetImages:
    """Render ``count`` target images; the seed's stream is apart from the training's."""
    graphs = grammar.sample(count, generator(seed, "target"))
    images, names = render_images(renderer, graphs), object_classes(grammar)
    if len(names) < FEWEST_CLASSES:
        return TargetImages(images, graphs.features, [])
    note = f"labels are the main object's class: {', '.join(names)}"
    return TargetImages(images, graphs.features, [note], scene_labels(graphs, names), names)


def render_images(renderer: Renderer, graphs: SceneGraphBatch) -> np.ndarray:
    """Render graphs in parts, for any number of them: uint8 [B, S, S, 3]."""
    parts = [renderer.render(graphs[i : i + CHUNK]).images for i in range(0, len(graphs), CHUNK)]
    return np.concatenate(parts)


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
            f"at least {FEWEST_IMAGES} are needed; convert images of other formats"
        )
    return files


def folder_classes(folder: str | Path, files: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of the class subfolders, sorted.

    Subfolders name classes only where every image lies directly in one and there are at
    least two; else there are none.
    """
    if any(file.parent.parent != Path(folder) for file in files):
        return ()
    names = sorted({file.parent.name for file in files})
    return tuple(names) if len(names) >= FEWEST_CLASSES else ()


def read_target(folder: str | Path, size: int, most: int, seed: int) -> TargetImages:
    """Read a folder of images as a target.

    Images are turned as their EXIF data say, cut to the middle square and resized. If the
    folder holds more than ``most``, a random choice is taken. Class subfolders give labels.

    Raises:
        UserError: the folder is empty, or some of its images cannot be read; all are named.
    """
    files = image_files(folder)
    names = folder_classes(folder, files)
    notes = [f"labels are the names of the subfolders: {', '.join(names)}"] if names else []
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
    labels = np.array([names.index(f.parent.name) for f in files], np.int64) if names else None
    if labels is not None:
        counts = np.bincount(labels, minlength=len(names))
        if counts.max() > UNEVEN * counts.min():
            listed = ", ".join(f"{n} of {name}" for n, name in zip(counts, names, strict=True))
            notes.append(
                f"the classes are uneven ({listed}), and a grammar draws all equally often: "
                "recovered spreads may be off; take about as many images of each"
            )
    return TargetImages(np.stack(images), None, notes, labels, names)


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


def split_target(count: int, evaluation: Evaluation, seed: int) -> TargetParts:
    """Split ``count`` images at random, by the shares that the evaluation asks for."""
    order = generator(seed, "held out").permutation(count)
    first = max(2, round(evaluation.held_out * count))
    second = first + max(2, round(evaluation.validation * count))
    return TargetParts(np.sort(order[second:]), np.sort(order[first:second]), order[:first])


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # Pillow would clip these to white instead of scaling
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")
