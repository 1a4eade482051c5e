"""Draws forests from straight above, without perspective."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import numpy as np

from simtailor.render.description import RenderMachine
from simtailor.render.forest.canvas import Canvas
from simtailor.render.forest.contract import FOREST, MOST_TREES, ForestSettings
from simtailor.render.forest.growth import Fields, Growth, grow_trees, lay_logs, meadow
from simtailor.render.forest.light import lit, reaching
from simtailor.render.forest.planting import Trees, planted
from simtailor.render.rendering import Rendering
from simtailor.scene.graph import SceneGraphBatch
from simtailor.seeds import generator

MARGIN = 14.0  # metres around the picture, at most, from which shadows fall into it
LEAST_SEEN = 0.35  # share of a tree's pixels that others leave free, of one that is marked
SMALLEST_MARKED = 0.6  # square metres
KEPT_PIXELS = 4_000_000  # of scenes in memory, 18 bytes each

# What a forest is like where the grammar leaves an attribute out.
USUAL = {
    "Forest": {"density": 120.0, "crown": 4.5, "crown_spread": 0.3, "slenderness": 2.2,
               "clustering": 0.5, "dead": 0.05, "saplings": 30.0, "logs": 10.0},
    "Foliage": {"brightness": 1.0, "greenness": 0.4, "raggedness": 0.7},
    "Ground": {"brightness": 1.0, "greenness": 0.5, "brush": 0.15},
    "Light": {"azimuth": 135.0, "elevation": 50.0, "shade": 0.25},
    "Camera": {"exposure": 1.0, "white_balance": 1.0, "blur": 0.0, "haze": 0.0},
}  # fmt: skip


class ForestRenderer:
    """Renders scene graphs of one forest each.

    Args:
        image_size: pixels of the square pictures.
        frame_width: metres of their edges.
        samples: points along each edge of a pixel, see ``ForestSettings``.
        threads: scenes that are drawn at once.
    """

    def __init__(
        self, *, image_size: int, frame_width: float, samples: int = 2, threads: int = 1
    ) -> None:
        self.canvas = Canvas(image_size * samples, frame_width, min(MARGIN, frame_width / 3))
        self._size, self._samples = image_size, samples
        self._threads = threads
        self._changing = Lock()
        self._kept: dict[tuple[object, ...], Growth] = {}

    @classmethod
    def create(cls, settings: ForestSettings, machine: RenderMachine) -> ForestRenderer:
        """Return the renderer of an experiment."""
        return cls(
            image_size=settings.image_size,
            frame_width=settings.frame_width,
            samples=settings.samples,
            threads=machine.threads or 1,
        )

    def render(self, graphs: SceneGraphBatch, *, masks: bool = False) -> Rendering:
        """Render B graphs: images and, if wanted, masks with the numbers of the trees."""
        scenes: Iterable[tuple[np.ndarray, np.ndarray]] = map(self._drawn, _attributes(graphs),
                                                              graphs.seeds)  # fmt: skip
        if self._threads > 1 and len(graphs) > 1:
            with ThreadPoolExecutor(self._threads) as pool:
                scenes = list(pool.map(self._drawn, _attributes(graphs), graphs.seeds))
        size = self._size
        images = np.empty((len(graphs), size, size, 3), np.uint8)
        numbers = np.empty((len(graphs), size, size), np.uint8)
        for place, (image, number) in enumerate(scenes):
            images[place], numbers[place] = image, number
        return Rendering(images, masks=numbers if masks else None)

    def _drawn(self, scene: dict[str, dict[str, float]], seed: int) -> tuple[np.ndarray, ...]:
        """Return the picture and the mask of a scene."""
        trees, growth = self._grown(scene, int(seed))
        image = lit(growth, scene["Light"], scene["Camera"], self.canvas)
        whole = np.pi * trees.radius**2 / self.canvas.pixel**2
        mask = marked(growth.number[self.canvas.inside], whole, self.canvas.pixel)
        if self._samples == 1:
            return image, mask
        parts = image.reshape(self._size, self._samples, self._size, self._samples, 3)
        middle = slice(self._samples // 2, None, self._samples)
        return np.rint(parts.mean((1, 3))).astype(np.uint8), mask[middle, middle]

    def _grown(self, scene: dict[str, dict[str, float]], seed: int) -> tuple[Trees, Growth]:
        """Return what stands in a scene; it is kept, for gradients ask for it in other light."""
        canvas = self.canvas
        trees = planted(scene["Forest"], canvas.width, canvas.margin, generator(seed, "trees"))
        needed = reaching(trees, scene["Light"], canvas)
        of_growth = [tuple(scene[node].items()) for node in ("Forest", "Foliage", "Ground")]
        key = (seed, needed.tobytes(), *of_growth)
        growth = self._kept.get(key)
        if growth is None:
            fields = Fields.of(canvas, generator(seed, "fields"))
            growth = meadow(scene["Ground"], fields, canvas)
            lay_logs(growth, scene["Forest"]["logs"], canvas, generator(seed, "logs"))
            random = generator(seed, "growth")
            grow_trees(growth, trees, needed, scene["Foliage"], fields, canvas, random)
            with self._changing:
                self._kept[key] = growth
                while len(self._kept) > max(1, KEPT_PIXELS // canvas.extent**2):
                    del self._kept[next(iter(self._kept))]
        return trees, growth


def marked(numbers: np.ndarray, whole: np.ndarray, pixel: float) -> np.ndarray:
    """Return a mask uint8 [S, S] of the trees that one would mark, numbered anew from 1.

    A tree of which hardly anything is seen is not marked, but one that the edge cuts is.

    Args:
        numbers: uint16 [S, S], trees from 1; whole: pixels of each tree, [n]; pixel: metres.
    """
    seen = np.bincount(numbers.ravel(), minlength=len(whole) + 1)[1:]
    edge = np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]])
    cut = np.isin(np.arange(1, len(whole) + 1), edge)
    clear = (seen >= LEAST_SEEN * whole) | cut
    kept = np.flatnonzero(clear & (seen * pixel**2 >= SMALLEST_MARKED))[:MOST_TREES]
    new = np.zeros(len(whole) + 1, np.uint8)
    new[kept + 1] = np.arange(1, len(kept) + 1)
    return new[numbers]


def _attributes(graphs: SceneGraphBatch) -> list[dict[str, dict[str, float]]]:
    """Return the attributes of each scene, by node and name, the usual ones where none is given."""
    layout = graphs.layout
    scenes = [{node: dict(usual) for node, usual in USUAL.items()} for _ in range(len(graphs))]
    values = graphs.values()
    for node, known in FOREST.nodes.items():
        if node not in layout.node_names:
            continue
        place = layout.node_names.index(node)
        for name in known.attributes:
            column = layout.features.index(name) if name in layout.features else None
            if column is None or layout.maximum[place, column] == 0:
                continue
            for scene, value in zip(scenes, values[:, place, column], strict=True):
                scene[node][name] = float(value)
    return scenes
