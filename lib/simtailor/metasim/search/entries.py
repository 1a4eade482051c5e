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

    def __len__(self) -> int:
        return len(self.nodes)

    def values(self, graphs: SceneGraphBatch) -> np.ndarray:
        """Return the values of B graphs: float32 [B, E] in units of the features."""
        return graphs.features[:, self.nodes, self.features]

    def replaced(self, graphs: SceneGraphBatch, values: np.ndarray) -> SceneGraphBatch:
        """Return graphs with other values [B, E]; angles go round, others end at their range."""
        features = graphs.features.copy()
        values = np.where(self.is_angle, values % self.range, values.clip(0, 1))
        features[:, self.nodes, self.features] = values
        return graphs.with_features(features)
