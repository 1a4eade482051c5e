"""Scenes of a source and their renderings, a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from simtailor.metasim.settings import Experiment
from simtailor.render.checked import within_ranges
from simtailor.render.renderer import Renderer
from simtailor.render.rendering import Rendering
from simtailor.scene.graph import SceneGraphBatch

AT_A_TIME = 16  # scenes


def rendered(
    take: Callable[[np.ndarray], SceneGraphBatch],
    renderer: Renderer,
    experiment: Experiment,
    images: int,
    report: Callable[[str], None],
    **parts: bool,
) -> Iterator[tuple[SceneGraphBatch, Rendering]]:
    """Yield the scenes 0 to ``images`` - 1 as they can be drawn, with their renderings.

    Args:
        take: returns the scenes with given numbers, int [B], which ascend.
        parts: what is wanted beside the images, such as ``masks``.
    """
    done = 0
    while done < images:
        numbers = np.arange(done, min(images, done + AT_A_TIME))
        graphs = within_ranges(take(numbers), experiment.contract)
        yield graphs, renderer.render(graphs, **parts)
        done += len(numbers)
        if done % 64 < AT_A_TIME:
            report(f"drew {done} of {images} pictures")
