"""Target images: rendered from a target grammar, or the user's own from a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simtailor.errors import UserError
from simtailor.files import staged
from simtailor.metasim.labels import LabelledImages, object_classes, scene_labels, translated_labels
from simtailor.metasim.settings import Evaluation
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch
from simtailor.seeds import generator

if TYPE_CHECKING:
    from simtailor.render.renderer import Renderer

FEWEST_CLASSES = 2
CHUNK = 256  # scenes a call, which bounds the memory of their pictures


@dataclass(eq=False)
class TargetImages:
    """A target set.

    Attributes:
        images: uint8 [M, H, W, 3].
        features: float32 [M, N, F], the hidden attributes that only the evaluation may
            read, or None for a folder.
        notes: what was done to the user's images and which labels were found, in plain
            sentences.
        labels: int64 [M], indices into ``label_names``, or None where nothing tells at
            least two classes apart.
        label_names: names of the classes, sorted.
        intake: the account of the user's folder, plain values; None of a rendered target.
    """

    images: np.ndarray
    features: np.ndarray | None
    notes: list[str]
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    intake: dict[str, Any] | None = None

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
        if self.intake is not None:
            arrays["intake"] = np.array(json.dumps(self.intake))
        with staged(path) as staging:
            np.savez(staging, **arrays)

    def resized(self, size: tuple[int, int]) -> TargetImages:
        """Return the target averaged down to a height and width, if its images are larger."""
        if self.images.shape[2] <= size[1]:
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
                json.loads(str(stored["intake"])) if "intake" in stored else None,
            )


def render_target(grammar: Grammar, renderer: Renderer, count: int, seed: int) -> TargetImages:
    """Render ``count`` target images; the seed's stream is apart from the training's."""
    graphs = target_scenes(grammar, renderer, count, seed)
    images, names = render_images(renderer, graphs), object_classes(grammar)
    if len(names) < FEWEST_CLASSES:
        return TargetImages(images, graphs.features, [])
    note = f"labels are the main object's class: {', '.join(names)}"
    return TargetImages(images, graphs.features, [note], scene_labels(graphs, names), names)


def target_scenes(grammar: Grammar, renderer: Renderer, count: int, seed: int) -> SceneGraphBatch:
    """Return the scenes that ``render_target`` draws.

    Raises:
        UserError: the objects of too many have no room.
    """
    from simtailor.metasim.arranging import Arranger  # noqa: PLC0415  needs torch

    random = generator(seed, "target")
    graphs = grammar.sample(count, random)
    return Arranger(grammar, renderer).arranged(graphs, random, strict=True)


def render_images(renderer: Renderer, graphs: SceneGraphBatch) -> np.ndarray:
    """Render graphs in parts, for any number of them: uint8 [B, H, W, 3]."""
    parts = [renderer.render(graphs[i : i + CHUNK]).images for i in range(0, len(graphs), CHUNK)]
    return np.concatenate(parts)


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
