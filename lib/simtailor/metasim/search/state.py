"""Where a search stands between two rounds, as plain tensors and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from simtailor.metasim.search.archive import Matches
from simtailor.metasim.search.policy import SearchPolicy
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout


@dataclass(eq=False)
class SearchState:
    """All that the rounds to come depend on, but for the source of random numbers.

    Attributes:
        index: of the next round.
        candidates: its scenes, not drawn yet.
        matches: the best ones so far; ``earlier``: those after the last refinement.
        measure: factor a level of the features; empty before the first round.
    """

    index: int
    candidates: SceneGraphBatch
    matches: Matches
    earlier: Matches
    measure: list[float]

    def stored(self, random: np.random.Generator) -> dict[str, Any]:
        """Return everything, the state of the random numbers included, for a checkpoint."""
        return {
            "index": self.index,
            "measure": self.measure,
            "random": json.dumps(random.bit_generator.state),
            "candidates": _tensors(self.candidates),
            "matches": _tensors(self.matches.graphs),
            "distances": torch.from_numpy(self.matches.distances),
            "earlier": _tensors(self.earlier.graphs),
            "earlier_distances": torch.from_numpy(self.earlier.distances),
        }

    @classmethod
    def restored(
        cls,
        stored: dict[str, Any],
        layout: SceneGraphLayout,
        policy: SearchPolicy,
        random: np.random.Generator,
    ) -> SearchState:
        """Return what was stored, and put the random numbers where they were."""
        random.bit_generator.state = json.loads(stored["random"])
        matches, earlier = (
            Matches(_graphs(stored[name], layout), stored[distances].numpy(), policy)
            for name, distances in (("matches", "distances"), ("earlier", "earlier_distances"))
        )
        candidates = _graphs(stored["candidates"], layout)
        return cls(stored["index"], candidates, matches, earlier, stored["measure"])


def _tensors(graphs: SceneGraphBatch) -> list[torch.Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(part))
            for part in (graphs.classes, graphs.features, graphs.seeds)]  # fmt: skip


def _graphs(tensors: list[torch.Tensor], layout: SceneGraphLayout) -> SceneGraphBatch:
    return SceneGraphBatch(layout, *(tensor.numpy() for tensor in tensors))
