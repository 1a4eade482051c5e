"""The renderer interface: one protocol for the embedded ray caster and for any simulator.

A new renderer is one class with the four members below, registered under a name:

    @register_renderer("my_simulator")
    class MySimulator:
        ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from simtailor.errors import UserError, nearest_name
from simtailor.render.rendering import Rendering
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout


class Renderer(Protocol):
    """Turns scene graphs into images; a context manager; the same bytes for the same seeds."""

    def render(self, graphs: SceneGraphBatch) -> Rendering:
        """Render B graphs. Image b depends on graph b and its seed alone."""
        ...

    def effective(self, layout: SceneGraphLayout) -> np.ndarray:
        """Return which entries of the graphs this renderer looks at: bool [N, F]."""
        ...

    def __enter__(self) -> Renderer: ...

    def __exit__(self, *arguments: object) -> None: ...


_FACTORIES: dict[str, Callable[..., Renderer]] = {}


def register_renderer(name: str) -> Callable[[Callable[..., Renderer]], Callable[..., Renderer]]:
    """Register a renderer's factory under ``name``; keyword arguments come from ``stage:``."""

    def register(factory: Callable[..., Renderer]) -> Callable[..., Renderer]:
        _FACTORIES[name] = factory
        return factory

    return register


def renderer_names() -> list[str]:
    """Return the names of all renderers."""
    _import_built_in()
    return sorted(_FACTORIES)


def create_renderer(name: str, **settings: Any) -> Renderer:
    """Create a registered renderer.

    Raises:
        UserError: no renderer has this name.
    """
    _import_built_in()
    if name not in _FACTORIES:
        known = ", ".join(sorted(_FACTORIES))
        raise UserError(
            f"unknown renderer '{name}'; known: {known}." + nearest_name(name, _FACTORIES)
        )
    return _FACTORIES[name](**settings)


def _import_built_in() -> None:
    import simtailor.render.tabletop  # noqa: F401, PLC0415 - registers itself
