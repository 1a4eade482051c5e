"""The mutable attributes of scenes as a table with one column an entry."""

from __future__ import annotations

import numpy as np

from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout


class Entries:
    """Reads and writes the mutable entries of scene graphs.

    Args:
        layout: of the graphs.
        turn: float [N, F], features of one full turn, 0 where values lie on a line.

    Attributes:
        nodes, features: int [E], where each entry stands.
        is_angle: bool [E].
        range: float [E], of each entry, in units of the features.
    """

    def __init__(self, layout: SceneGraphLayout, turn: np.ndarray) -> None:
        entries = np.array(layout.entries())
        self.nodes, self.features = entries[:, 0], entries[:, 1]
        turns = turn[self.nodes, self.features]
        self.is_angle = turns > 0
        self.range = np.where(self.is_angle, turns, 1.0)
        sources, slots = layout.source_of[self.nodes], layout.slot_of[self.nodes]
        # Of each node of the grammar that comes several times, the columns by copy: int [S, k].
        self._copies = [
            np.stack([np.flatnonzero((sources == source) & (slots == slot))
                      for slot in np.unique(slots[sources == source])])
            for source in np.unique(sources) if len(np.unique(slots[sources == source])) > 1
        ]  # fmt: skip

    def __len__(self) -> int:
        return len(self.nodes)

    def values(self, graphs: SceneGraphBatch) -> np.ndarray:
        """Return the values of B graphs: float32 [B, E] in units of the features."""
        return graphs.features[:, self.nodes, self.features]

    def aligned(self, values: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return other values [B, E] with interchangeable objects in the order of the nearest.

        By the assignment with the least sum of squared distances (Kuhn 1955).
        """
        if not self._copies:
            return others
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  few scenes have copies

        others = others.copy()
        for columns in self._copies:
            difference = values[:, columns][:, :, None] - others[:, columns][:, None]
            turn = self.range[columns[0]]
            around = np.abs(difference)
            around = np.where(self.is_angle[columns[0]], np.minimum(around, turn - around), around)
            costs = np.square(around / turn).sum(-1)
            orders = np.stack([linear_sum_assignment(cost)[1] for cost in costs])
            of_copies = others[:, columns]
            others[:, columns] = np.take_along_axis(of_copies, orders[..., None], 1)
        return others

    def replaced(self, graphs: SceneGraphBatch, values: np.ndarray) -> SceneGraphBatch:
        """Return graphs with other values [B, E]; angles go round, others end at their range."""
        features = graphs.features.copy()
        values = np.where(self.is_angle, values % self.range, values.clip(0, 1))
        features[:, self.nodes, self.features] = values
        return graphs.with_features(features)
