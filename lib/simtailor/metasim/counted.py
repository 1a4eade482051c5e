"""A renderer that counts the scenes that it draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from simtailor.render.renderer import Renderer
from simtailor.render.rendering import Rendering
from simtailor.scene.graph import SceneGraphBatch


@dataclass
class RenderCount:
    """Number of scenes drawn, by one renderer or several, with or without a gradient."""

    renders: int = 0


class CountedRenderer:
    """Does what another renderer does, whatever methods that has, and counts.

    Args:
        inner: draws the scenes.
        count: is added to.
    """

    def __init__(self, inner: Renderer, count: RenderCount) -> None:
        self.inner, self.count = inner, count
        if hasattr(inner, "render_differentiable"):
            self.render_differentiable = self._render_differentiable

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def render(self, graphs: SceneGraphBatch) -> Rendering:
        """Render B graphs."""
        self.count.renders += len(graphs)
        return self.inner.render(graphs)

    def _render_differentiable(
        self, graphs: SceneGraphBatch, features: torch.Tensor
    ) -> torch.Tensor:
        self.count.renders += len(graphs)
        exact: Any = self.inner
        return exact.render_differentiable(graphs, features)
