"""Which of the poses that look the same is meant? All are taken where the others lie.

Of a box that looks the same after half a turn, the yaw nearest to that of the objects that look
like no other is meant, so that a shared distribution stays in one piece. Where there are none,
or where a class lies elsewhere, it is the form in which the class lies closest together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simtailor.metasim.generator import Generator
from simtailor.render.renderer import Equivalents, Renderer, nearest_equivalent
from simtailor.scene.attributes import unwrapped
from simtailor.scene.graph import SceneGraphBatch

REFERENCES = 16  # scenes that are tried as the centre of a class
ELSEWHERE = 1.5  # times as wide about the common centre as about the best one
FEWEST = 12  # scenes of a class that may have a centre of its own
MIDDLE = (0.1, 0.9)  # quantiles between which the width is taken

Classes = tuple[int, ...]  # of all nodes of a graph


@dataclass(frozen=True, eq=False)
class Centre:
    """Where the poses lie that are meant.

    Attributes:
        common: float32 [N, F] in units of the features.
        apart: the same of classes that always look like others and lie elsewhere.
    """

    common: np.ndarray
    apart: dict[Classes, np.ndarray]

    def nearest(self, renderer: Renderer, graphs: SceneGraphBatch) -> Equivalents:
        """Return graphs that look the same, nearest to the centre of their classes."""
        same = nearest_equivalent(renderer, graphs, self.common)
        features, identified = same.graphs.features.copy(), same.identified.copy()
        for classes, reference in self.apart.items():
            member = np.flatnonzero((graphs.classes == classes).all(1))
            if len(member):
                own = nearest_equivalent(renderer, graphs[member], reference)
                features[member], identified[member] = own.graphs.features, own.identified
        return Equivalents(same.graphs.with_features(features), identified, same.unique)


def unambiguous_centre(graphs: SceneGraphBatch, generator: Generator, renderer: Renderer) -> Centre:
    """Return where the poses of a sample lie."""
    turn, mean = generator.turn.cpu().numpy(), generator.mean.cpu().numpy()
    same = nearest_equivalent(renderer, graphs, mean)
    if generator.layout.repeated:
        return Centre(_common_of_copies(same, mean, turn), {})
    if not same.unique.any():
        common = _closest(renderer, graphs, mean, turn)
    else:
        common = mean.copy()
        for entry in generator.layout.entries():
            values = same.graphs.features[same.unique, *entry]
            common[entry] = np.median(unwrapped(values, float(turn[entry])))
    apart = {}
    for classes in np.unique(graphs.classes[~same.unique], axis=0):
        own = graphs[(graphs.classes == classes).all(1)]
        if len(own) < FEWEST:
            continue
        best = _closest(renderer, own, common, turn)
        at_best, at_common = (_width(renderer, own, c, turn) for c in (best, common))
        if at_common > ELSEWHERE * at_best:
            apart[tuple(int(c) for c in classes)] = best
    return Centre(common, apart)


def _common_of_copies(same: Equivalents, mean: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return where the copies of each node lie, those of scenes that look like no other if any."""
    layout, common = same.graphs.layout, mean.copy()
    for node, feature in layout.entries():
        copies = np.flatnonzero(layout.source_of == layout.source_of[node])
        told = same.identified[:, copies, feature]
        sure = told & same.unique[:, None]
        values = same.graphs.features[:, copies, feature][sure if sure.any() else told]
        if len(values):
            common[node, feature] = np.median(unwrapped(values, float(turn[node, feature])))
    return common


def _closest(
    renderer: Renderer, graphs: SceneGraphBatch, reference: np.ndarray, turn: np.ndarray
) -> np.ndarray:
    """Return the reference, or the one of some scenes about which all lie closest together."""
    some = graphs.features[np.linspace(0, len(graphs) - 1, REFERENCES).astype(int)]
    return min((reference, *some), key=lambda centre: _width(renderer, graphs, centre, turn))


def _width(
    renderer: Renderer, graphs: SceneGraphBatch, reference: np.ndarray, turn: np.ndarray
) -> float:
    """Return how wide graphs are, in turns and ranges, when taken nearest to a reference."""
    near, total = nearest_equivalent(renderer, graphs, reference).graphs, 0.0
    for entry in near.layout.entries():
        values = unwrapped(near.features[:, *entry], float(turn[entry]))
        total += float(np.ptp(np.quantile(values, MIDDLE))) / (float(turn[entry]) or 1.0)
    return total
