"""What a renderer does, and what the stages see of it.

Whoever writes a renderer gives a description (see ``description``) and a class with one method:

- ``render(graphs)`` returns a ``Rendering`` of all scenes, in their order. Where the description
  says so, it takes the keywords ``masks``, ``depth`` and ``keypoints``, each a truth value. An
  image depends on its graph and the graph's seed alone.

Optional:

- ``__enter__`` and ``__exit__`` of a context manager;
- ``render_differentiable(graphs, features)``, if the description says ``differentiable``, returns
  the images as a float32 tensor [B, 3, H, W] in [0, 1], the same as ``render``'s to 1/255, with
  exact gradients to ``features`` [B, N, F], which stand in for those of ``graphs``. It then
  replaces the differences;
- ``nearest_equivalent(graphs, reference)``, see the function of this name;
- ``apart(graphs)``, see the function of this name;
- ``identity``, a text, names what the images depend on and is known only when it runs, such as
  a library that may be installed or not. A training that was started with another one is not
  continued;
- ``restart()`` makes a fresh start after a failure, before a scene is asked for again.

The stages get it in a wrapper that checks what comes back (see ``checked``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from simtailor.render.rendering import Rendering
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout


class Renderer(Protocol):
    """Turns scene graphs into images, as the stages see it."""

    def render(self, graphs: SceneGraphBatch) -> Rendering:
        """Render B graphs. Image b depends on graph b and its seed alone."""
        ...

    def effective(self, layout: SceneGraphLayout) -> np.ndarray:
        """Return which entries of the graphs this renderer looks at: bool [N, F]."""
        ...


@dataclass(frozen=True, eq=False)
class Equivalents:
    """Scene graphs that look the same as others.

    Attributes:
        graphs: B graphs.
        identified: bool [B, N, F], False for entries that no picture can tell (a bowl's yaw, or
            of an object that is not there).
        unique: bool [B], False for scenes with a symmetric object.
    """

    graphs: SceneGraphBatch
    identified: np.ndarray
    unique: np.ndarray


def nearest_equivalent(
    renderer: Any, graphs: SceneGraphBatch, reference: np.ndarray
) -> Equivalents:
    """Return graphs that look the same, with attributes nearest to a reference.

    A box that is turned by half a circle looks the same, so its yaw is known up to that only.
    A renderer whose objects have such symmetries has a method of this name, without its
    first argument; for any other renderer the graphs are returned as they are.

    Args:
        reference: float [N, F] in units of the features.
    """
    if hasattr(renderer, "nearest_equivalent"):
        same = renderer.nearest_equivalent(graphs, reference)
        if not graphs.layout.repeated:
            return same
        return replace(same, identified=same.identified & graphs.present[..., None])
    everything = np.ones(graphs.features.shape, dtype=bool) & graphs.present[..., None]
    return Equivalents(graphs, everything, np.ones(len(graphs), dtype=bool))


def apart(renderer: Any, graphs: SceneGraphBatch) -> np.ndarray:
    """Return the scenes in which no object sinks into another: bool [B].

    A renderer that knows the shapes of its objects has a method of this name, without its first
    argument; for any other one all scenes are taken as they are.
    """
    if hasattr(renderer, "apart"):
        return renderer.apart(graphs)
    return np.ones(len(graphs), dtype=bool)
