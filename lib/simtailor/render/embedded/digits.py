"""The MNIST stage: one handwritten digit on a black canvas, with exact gradients.

The class of the node ``object`` is the digit, and the scene's seed picks which image of that
class is shown: of MNIST's training images, or of its test images where the node has the
constant ``"split": "test"``. Attributes of the node: ``yaw`` in degrees, which turns the digit
counter-clockwise in the picture as it grows; ``x`` to the right and ``y`` downwards, the place
of the digit's middle in pixels from the canvas's upper left corner. Without them the digit is
upright, in the middle.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from simtailor.errors import UserError, nearest_name
from simtailor.idx import read_idx
from simtailor.render.description import RenderMachine, StageSettings
from simtailor.render.rendering import Rendering
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

DIGIT = 28  # pixels of MNIST's square images
FILES = {"train": "train", "test": "t10k"}


class DigitsRenderer:
    """Renders scene graphs of one digit each.

    Args:
        image_size: pixels of the square canvas.
        device: ``cpu`` or a CUDA device.
        cache: folder with ``packages/mnist``, which holds MNIST's four files in IDX format.
    """

    def __init__(
        self, *, image_size: int = 32, device: str = "cpu", cache: str | Path = "resources"
    ) -> None:
        self.image_size = image_size
        self._device = torch.device(device)
        self._folder = Path(cache) / "packages" / "mnist"
        self._digits: dict[str, tuple[torch.Tensor, dict[str, np.ndarray]]] = {}

    @classmethod
    def create(cls, settings: StageSettings, machine: RenderMachine) -> DigitsRenderer:
        """Return the renderer of an experiment."""
        cache = "resources" if machine.cache is None else machine.cache
        return cls(image_size=settings.image_size, device=machine.device, cache=cache)

    def __enter__(self) -> DigitsRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self._digits.clear()

    def render(self, graphs: SceneGraphBatch, *, masks: bool = False) -> Rendering:
        """Render B graphs: images and, if wanted, masks (1 where a digit is over half bright)."""
        with torch.no_grad():
            grey = self._draw(graphs, torch.from_numpy(graphs.features)).cpu().numpy()
        images = np.rint(grey * 255).astype(np.uint8)
        shown = (grey > 0.5).astype(np.uint8) if masks else None
        return Rendering(np.repeat(images[..., None], 3, -1), masks=shown)

    def render_differentiable(
        self, graphs: SceneGraphBatch, features: torch.Tensor
    ) -> torch.Tensor:
        """Render B graphs with other features so that exact gradients flow back to them.

        The derivative is that of the bilinear interpolation between the digit's pixels.

        Args:
            features: float32 [B, N, F] in units of ``layout.maximum``.

        Returns:
            float32 [B, 3, H, W] in [0, 1].
        """
        return self._draw(graphs, features)[:, None].expand(-1, 3, -1, -1)

    def _draw(self, graphs: SceneGraphBatch, features: torch.Tensor) -> torch.Tensor:
        """Return grey pictures, float32 [B, H, W] in [0, 1]."""
        layout, size = graphs.layout, self.image_size
        node = _object_node(layout)
        features = features.to(self._device)

        def values(name: str, default: float) -> torch.Tensor:
            index = layout.features.index(name) if name in layout.features else None
            if index is None or layout.maximum[node, index] == 0:
                return features.new_full((len(graphs), 1, 1), default)
            value = features[:, node, index] * float(layout.maximum[node, index])
            return value[:, None, None]

        angle = torch.deg2rad(values("yaw", 0.0))
        pixels = torch.arange(size, device=self._device) + 0.5
        right = pixels[None, None, :] - values("x", size / 2)
        down = pixels[None, :, None] - values("y", size / 2)
        # Where a pixel of the canvas lies on the digit's own image: turned back by the angle.
        cosine, sine = angle.cos(), angle.sin()
        across, along = cosine * right - sine * down, sine * right + cosine * down
        grid = torch.stack([across, along], -1) / (DIGIT / 2)
        digits = self._images_of(graphs, node).to(features.dtype)[:, None] / 255
        return functional.grid_sample(
            digits, grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )[:, 0]

    def _images_of(self, graphs: SceneGraphBatch, node: int) -> torch.Tensor:
        """Return the image that each scene shows: uint8 [B, 28, 28]."""
        layout = graphs.layout
        split = layout.node_constants[node].get("split", "train")
        if split not in FILES:
            raise UserError(
                f"the digits' 'split' is 'train' or 'test', got {split!r}."
                + nearest_name(split, FILES)
            )
        if split not in self._digits:
            self._digits[split] = self._read(split)
        images, by_digit = self._digits[split]
        chosen = np.empty(len(graphs), dtype=np.int64)
        for index in np.unique(graphs.classes[:, node]):
            scenes = graphs.classes[:, node] == index
            name = str(layout.class_names[index])
            choices = by_digit.get(name, ())
            if not len(choices):
                raise UserError(
                    f"{self._folder}: no image of class {name!r}; the digits stage has the "
                    f"classes {', '.join(by_digit)}"
                )
            chosen[scenes] = choices[graphs.seeds[scenes] % len(choices)]
        return images[torch.from_numpy(chosen).to(self._device)]

    def _read(self, split: str) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
        """Return the images of a split, uint8 [n, 28, 28], and the indices of each digit's."""
        paths = [self._folder / f"{FILES[split]}-{rest}" for rest in
                 ("images-idx3-ubyte", "labels-idx1-ubyte")]  # fmt: skip
        for path in paths:
            if not path.exists():
                raise UserError(f"{path}: MNIST is absent; fetch it: snakemake {self._folder}")
        images, labels = (read_idx(path) for path in paths)
        if images.shape[1:] != (DIGIT, DIGIT) or images.dtype != np.uint8:
            raise UserError(f"{paths[0]}: expected bytes [n, 28, 28], got {images.shape}")
        if labels.shape != images.shape[:1]:
            raise UserError(f"{paths[1]}: {labels.shape} labels for {len(images)} images")
        by_digit = {str(digit): np.flatnonzero(labels == digit) for digit in np.unique(labels)}
        return torch.from_numpy(images).to(self._device), by_digit


def _object_node(layout: SceneGraphLayout) -> int:
    if layout.node_names.count("object") != 1:
        raise UserError(
            'the digits stage needs one node whose class is random, ["Random", [0, 1, ...]], or '
            f'a number, ["Deterministic", 7]; the grammar has {layout.node_names.count("object")}'
        )
    return layout.node_names.index("object")
