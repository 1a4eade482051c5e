"""A renderer that counts the scenes that it draws."""

from __future__ import annotations

from typing import Any

import torch

from simtailor.render.renderer import Renderer
from simtailor.render.rendering import Rendering
from simtailor.scene.graph import SceneGraphBatch


class CountedRenderer:
    """Does what another renderer does, whatever methods that has, and counts.

    Args:
        inner: draws the scenes.

    Attributes:
        renders: number of scenes drawn, with or without a gradient.
    """

    def __init__(self, inner: Renderer) -> None:
        self.inner, self.renders = inner, 0
        if hasattr(inner, "render_differentiable"):
            self.render_differentiable = self._render_differentiable

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def render(self, graphs: SceneGraphBatch) -> Rendering:
        """Render B graphs."""
        self.renders += len(graphs)
        return self.inner.render(graphs)

    def _render_differentiable(
        self, graphs: SceneGraphBatch, features: torch.Tensor
    ) -> torch.Tensor:
        self.renders += len(graphs)
        exact: Any = self.inner
        return exact.render_differentiable(graphs, features)
