"""The renderer interface: one protocol for the embedded ray caster and for any simulator.

A new renderer is one file in this folder with one class, registered under a name. It is a
context manager with the methods of ``Renderer``, and is created with keyword arguments: the
keys of the experiment's ``stage`` (``image_size``, ``samples``, ``frame_width``), and
``device``, ``threads`` and ``cache`` (a folder).

    @register_renderer("my_simulator")
    class MySimulator:
        def __init__(self, *, image_size, device, **others): ...

Optional: ``render_differentiable(graphs, features)`` returns the images as a float32 tensor
[B, 3, H, W] in [0, 1], the same as ``render``'s to 1/255, with exact gradients to ``features``
[B, N, F], which stand in for those of ``graphs``. It then replaces central differences.
``grey = True`` says that all images are grey, which makes the training faster.

``identity``, a string, names what the images depend on beside the settings, such as a library
that may be installed or not. A training that was started with another one is not continued.

The training wants images alone and calls ``render(graphs)``. A renderer that can give more
does so on demand, by the keywords ``masks`` and ``depth``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
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

    # Optional: nearest_equivalent(graphs, reference), see the function of this name.

    def __enter__(self) -> Renderer: ...

    def __exit__(self, *arguments: object) -> None: ...


_FACTORIES: dict[str, Callable[..., Renderer]] = {}


def register_renderer(name: str) -> Callable[[Callable[..., Renderer]], Callable[..., Renderer]]:
    """Register a renderer's factory under ``name``; keyword arguments come from ``stage:``."""

    def register(factory: Callable[..., Renderer]) -> Callable[..., Renderer]:
        _FACTORIES[name] = factory
        return factory

    return register


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


@dataclass(frozen=True, eq=False)
class Equivalents:
    """Scene graphs that look the same as others.

    Attributes:
        graphs: B graphs.
        identified: bool [B, N, F], False for entries that no picture can tell (a bowl's yaw).
        unique: bool [B], False for scenes with a symmetric object.
    """

    graphs: SceneGraphBatch
    identified: np.ndarray
    unique: np.ndarray


def nearest_equivalent(
    renderer: Renderer, graphs: SceneGraphBatch, reference: np.ndarray
) -> Equivalents:
    """Return graphs that look the same, with attributes nearest to a reference.

    A box that is turned by half a circle looks the same, so its yaw is known up to that only.
    A renderer whose objects have such symmetries has a method of this name, without its
    first argument; for any other renderer the graphs are returned as they are.

    Args:
        reference: float [N, F] in units of the features.
    """
    if hasattr(renderer, "nearest_equivalent"):
        return renderer.nearest_equivalent(graphs, reference)
    everything = np.ones(graphs.features.shape, dtype=bool)
    return Equivalents(graphs, everything, np.ones(len(graphs), dtype=bool))


def _import_built_in() -> None:
    """Import every module of this package; those with a renderer register it."""
    package = importlib.import_module("simtailor.render")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"simtailor.render.{module.name}")
