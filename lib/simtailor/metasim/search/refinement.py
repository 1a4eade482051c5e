"""Refinement of matches: every scene moves towards its own target image.

Levenberg-Marquardt steps (Levenberg 1944; Marquardt 1963) on the difference of features, for
all scenes at once. The derivatives are differences to one side, drawn once; after every step
they are corrected by what it did (Broyden, "A Class of Methods for Solving Nonlinear
Simultaneous Equations", 1965), for scenes are dear.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from simtailor.metasim.search.policy import POLICY, SearchPolicy
from simtailor.render.gradient import perturb_to_one_side
from simtailor.render.renderer import Renderer
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout


class Refinement:
    """Moves scenes towards images.

    Args:
        layout: of the scenes; its mutable entries are moved.
        renderer: draws the scenes.
        features: maps images, uint8 [n, S, S, 3], to float32 [n, D].
        steps: float32 [N, F], distances of the differences.
        policy: damping, number and length of the steps.
    """

    def __init__(
        self,
        layout: SceneGraphLayout,
        renderer: Renderer,
        features: Callable[[np.ndarray], torch.Tensor],
        steps: np.ndarray,
        policy: SearchPolicy = POLICY,
    ) -> None:
        self.renderer, self.features, self.steps = renderer, features, steps
        self.policy = policy
        self.entries = np.array(layout.entries())
        self._nodes, self._columns = self.entries[:, 0], self.entries[:, 1]
        maximum = layout.maximum[self._nodes, self._columns]
        self._turn = layout.period[self._nodes, self._columns] / maximum  # 0 for a line
        self._longest = policy.longest_step * np.where(self._turn > 0, self._turn, 1.0)

    def run(
        self, graphs: SceneGraphBatch, target: torch.Tensor, iterations: int | None = None
    ) -> tuple[SceneGraphBatch, np.ndarray]:
        """Return the moved scenes and their squared distances [m].

        Args:
            graphs: m scenes, float32 [m, D] ``target``: the image of each.
            iterations: the policy's number where None.
        """
        iterations = self.policy.iterations if iterations is None else iterations
        size = self.policy.together
        parts = [
            self._run(graphs[i : i + size], target[i : i + size], iterations)
            for i in range(0, len(graphs), size)
        ]
        features = np.concatenate([part[0] for part in parts])
        return graphs.with_features(features), np.concatenate([part[1] for part in parts])

    def _run(
        self, graphs: SceneGraphBatch, target: torch.Tensor, iterations: int
    ) -> tuple[np.ndarray, np.ndarray]:
        now = graphs.features.copy()
        residual = self._draw(graphs) - target
        distance = residual.square().sum(1)
        damping = torch.full_like(distance, self.policy.first_damping)
        slopes = self._slopes(graphs, residual + target) if iterations else residual
        steps = self.steps[self._nodes, self._columns]
        for _ in range(iterations):
            # In units of the steps, so that all entries are of a like size.
            normal = slopes @ slopes.transpose(1, 2)
            diagonal = normal.diagonal(dim1=1, dim2=2)
            floor = 1e-3 * diagonal.mean(1, keepdim=True) + 1e-12
            damped = normal + torch.diag_embed(damping[:, None] * diagonal + floor)
            moves = -torch.linalg.solve(damped, (slopes @ residual[..., None]))[..., 0]
            moves = (moves.cpu().numpy() * steps).clip(-self._longest, self._longest)
            trial = now.copy()
            before = trial[:, self._nodes, self._columns]
            moves = np.where(self._turn > 0, moves, (before + moves).clip(0, 1) - before)
            turn = np.where(self._turn > 0, self._turn, 2.0)  # twice a range: nothing goes round
            trial[:, self._nodes, self._columns] = (before + moves) % turn
            trial_residual = self._draw(graphs.with_features(trial)) - target
            trial_distance = trial_residual.square().sum(1)
            taken = torch.from_numpy(moves / steps).to(slopes)
            slopes = _corrected(slopes, taken, trial_residual - residual)
            better = trial_distance < distance
            now = np.where(better.cpu().numpy()[:, None, None], trial, now)
            residual = torch.where(better[:, None], trial_residual, residual)
            distance = torch.where(better, trial_distance, distance)
            damping = torch.where(
                better, damping * self.policy.less_damping, damping * self.policy.more_damping
            )
        return now, distance.cpu().numpy()

    def _draw(self, graphs: SceneGraphBatch) -> torch.Tensor:
        return self.features(self.renderer.render(graphs).images)

    def _slopes(self, graphs: SceneGraphBatch, drawn: torch.Tensor) -> torch.Tensor:
        """Return the derivatives of the features, [B, D], by each entry, a step: [B, E, D]."""
        moved, distances = perturb_to_one_side(graphs, self.steps, self.entries)
        many = graphs.repeat(len(self.entries)).with_features(moved)
        differences = self._draw(many).reshape(len(self.entries), len(graphs), -1) - drawn
        steps = self.steps[self._nodes, self._columns, None] / distances
        return (differences * torch.from_numpy(steps).to(drawn)[..., None]).transpose(0, 1)


def _corrected(slopes: torch.Tensor, moves: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """Return slopes [B, E, D] that foretell the change [B, D] that moves [B, E] have made."""
    missed = change - (moves[:, :, None] * slopes).sum(1)
    length = moves.square().sum(1).clamp_min(1e-9)
    return slopes + moves[:, :, None] * (missed / length[:, None])[:, None]
