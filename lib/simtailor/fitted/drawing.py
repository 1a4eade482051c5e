"""What the shards of a data set hold of each image: pictures and labels of a fit's scenes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from simtailor.boxes import boxes_of
from simtailor.datasets.making import Rendered
from simtailor.datasets.shards import EncodedImage, encoded_image, image_key
from simtailor.fitted.objects import NOT_THERE, SceneObjects
from simtailor.fitted.scenes import BLOCK, FittedScenes, attributes_of
from simtailor.render.checked import CheckedRenderer, within_ranges
from simtailor.render.rendering import Rendering

PIXELS = 1 << 24  # rendered at a time
PARTS = ("masks", "depth", "full_masks", "silhouettes", "poses", "cameras")  # of a rendering
OF_OBJECTS = ("full_masks", "silhouettes", "poses")
DECIMALS = 7  # of matrices, whose numbers are 32 bits
DEPTH_UNIT = 0.1  # millimetres of a step of a depth image, where that reaches far enough
DEPTH_STEPS = 2**16 - 1


@dataclass(frozen=True, eq=False)
class Drawing:
    """Draws the images of a data set.

    Attributes:
        scenes: of the fit; objects: of the scenes; renderer: that draws them.
        of_set: what the images' keys begin with.
    """

    scenes: FittedScenes
    objects: SceneObjects
    renderer: CheckedRenderer
    of_set: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Which of ``PARTS`` the images have."""
        returns = self.renderer.description.returns
        return tuple(part for part in PARTS if part in returns)

    @property
    def effective(self) -> np.ndarray:
        """The entries of the scenes that the renderer looks at: bool [N, F]."""
        return self.renderer.effective(self.scenes.layout)

    def draw(self, indices: np.ndarray) -> Iterator[Rendered]:
        """Render the images with these numbers, int [n], and yield what compresses a few."""
        pictures = 1 + len(self.objects.nodes) * ("full_masks" in self.parts)
        step = max(1, min(BLOCK, PIXELS // math.prod(self.renderer.size) // pictures))
        for some in np.split(indices, range(step, len(indices), step)):
            graphs = within_ranges(self.scenes.take(some), self.renderer.description)
            rendering = self.renderer.render(graphs, **dict.fromkeys(self.parts, True))
            if rendering.masks is not None:
                self.objects.check(rendering.masks, self.renderer.description.name)
            labels = self.objects.labels_of(graphs)
            attributes = attributes_of(graphs, self.effective)
            yield len(some), partial(self._encode, some, rendering, labels, attributes)

    def _encode(
        self,
        indices: np.ndarray,
        rendering: Rendering,
        labels: np.ndarray,
        attributes: list[dict[str, dict[str, float]]],
    ) -> list[EncodedImage]:
        encoded = []
        for i, index in enumerate(indices):
            scene = {name: part[i] for name, part in rendering.parts().items()}
            annotation = self._annotation(scene, labels[i], attributes[i])
            depth = full_masks = None
            if "depth" in scene:
                depth, annotation["depth_scale"] = depth_steps(scene["depth"])
            if "full_masks" in scene:
                full_masks = scene["full_masks"][labels[i] != NOT_THERE] > 0
            key, mask = image_key(self.of_set, index), scene.get("masks")
            encoded.append(encoded_image(key, scene["images"], mask, annotation, depth, full_masks))
        return encoded

    def _annotation(
        self,
        rendered: dict[str, np.ndarray],
        labels: np.ndarray,
        attributes: dict[str, dict[str, float]],
    ) -> dict[str, Any]:
        """Return what is known of an image, plain values; of one object its class at the top."""
        keys, objects = self.scenes.layout.node_keys, []
        for number, (node, label) in enumerate(zip(self.objects.nodes, labels, strict=True), 1):
            if label == NOT_THERE:
                continue
            described: dict[str, Any] = {
                "number": number,
                "label": int(label),
                "class": self.objects.classes[label],
                "attributes": attributes.get(keys[node], {}),
            }
            mask = None
            if "masks" in rendered:
                mask = rendered["masks"] == number
                described |= _seen(mask)
            of_object = {n: rendered[n][number - 1] for n in OF_OBJECTS if n in rendered}
            objects.append(described | _whole(of_object, mask))
        if self.objects.scattered and "masks" in rendered:
            mask, name = rendered["masks"], self.objects.classes[0]
            objects += [_scattered(mask, number, name) for number in np.unique(mask) if number]
        annotation: dict[str, Any] = {}
        if "cameras" in rendered:
            annotation["camera_matrix"] = _plain(rendered["cameras"])
        if len(objects) == 1:
            annotation |= {"label": objects[0]["label"], "class": objects[0]["class"]}
        named = {keys[node] for node in self.objects.nodes}
        scene = {key: values for key, values in attributes.items() if key not in named}
        return {**annotation, "objects": objects, "scene": scene}


def _scattered(mask: np.ndarray, number: int, name: str) -> dict[str, Any]:
    """Return what is known of an object that the renderer scattered: where it is seen."""
    described = {"number": int(number), "label": 0, "class": name, "attributes": {}}
    return described | _seen(mask == number)


def _seen(mask: np.ndarray) -> dict[str, Any]:
    """Return where an object is seen, of its mask bool [H, W]."""
    edges = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    return {
        "box": boxes_of(mask[None])[0].tolist(),
        "visible": round(float(mask.mean()), 5),
        "at_edge": bool(any(edge.any() for edge in edges)),
    }


def _whole(parts: dict[str, np.ndarray], mask: np.ndarray | None) -> dict[str, Any]:
    """Return an object's pose, and the box of its full mask and how much of that is seen.

    Args:
        parts: of a rendering, of this object; mask: bool [H, W], where it is seen.
    """
    known: dict[str, Any] = {}
    if "full_masks" in parts:
        full = parts["full_masks"] > 0
        box = boxes_of(full[None])[0].tolist()
        pixels = int(full.sum())
        if "silhouettes" in parts:
            *box, pixels = parts["silhouettes"].tolist()
        known = {"full_box": box, "full_pixels": pixels}
        if mask is not None:
            known["visibility"] = round(min(float(mask.sum()) / max(pixels, 1), 1.0), 5)
    if "poses" in parts:
        known["pose"] = _plain(parts["poses"])
    return known


def _plain(matrix: np.ndarray) -> list[list[float]]:
    return matrix.astype(np.float64).round(DECIMALS).tolist()


def depth_steps(depth: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a depth image in steps, and how many millimetres a step is, as BOP has it.

    Args:
        depth: float32 [H, W], metres along the camera's axis.

    Returns:
        uint16 [H, W], 0 where nothing is seen; 0.1, or ten times that until the farthest fits.
    """
    seen = np.isfinite(depth) & (depth > 0)
    millimetres = np.where(seen, depth, 0).astype(np.float64) * 1000
    tens = 0
    while millimetres.max(initial=0) / (DEPTH_UNIT * 10**tens) > DEPTH_STEPS:
        tens += 1
    scale = DEPTH_UNIT * 10**tens
    return np.rint(millimetres / scale).astype(np.uint16), round(scale, 1)


def statistics_of(images: list[EncodedImage]) -> dict[str, float]:
    """Return sums over the images of a shard; an object counts as seen by its mask, if it has one.

    ``class N`` counts the objects of a label, ``seen`` those that show, ``empty`` the images in
    which none does, ``at_edge`` those that reach the image's edge.
    """
    names = ("objects", "seen", "empty", "at_edge", "visible", "visibility")
    sums = dict.fromkeys(names, 0.0)
    for image in images:
        objects = json.loads(image.annotation)["objects"]
        seen = [o for o in objects if o.get("visible", 1) > 0]
        sums["objects"] += len(objects)
        sums["seen"] += len(seen)
        sums["empty"] += not seen
        sums["at_edge"] += sum(o.get("at_edge", False) for o in seen)
        sums["visible"] += round(sum(o.get("visible", 0) for o in seen), 5)
        sums["visibility"] += round(sum(o.get("visibility", 0) for o in objects), 5)
        for described in objects:
            name = f"class {described['label']}"
            sums[name] = sums.get(name, 0) + 1
    return sums
