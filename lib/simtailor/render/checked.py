"""The wrapper around every renderer: what comes back is checked before anybody trusts it.

A renderer may be a program that somebody else wrote. So each answer is checked for count, size
and type; one scene is drawn a second time, alone, which shows a wrong order and images that are
not reproducible; no call is larger than memory, the renderer and patience allow; a scene that
failed is asked for again where the renderer says that this may help; and what a slow renderer
drew is kept on disk.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from simtailor.errors import UserError
from simtailor.render.answers import Wanted, check_repeated, checked_answer
from simtailor.render.description import RendererDescription, StageSettings, silent
from simtailor.render.models import ObjectModel, models_of
from simtailor.render.renderer import Equivalents, apart, nearest_equivalent
from simtailor.render.rendering import Rendering
from simtailor.render.scene_cache import SceneCache
from simtailor.scene.grammar_nodes import MAIN
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

if TYPE_CHECKING:
    import torch

MOST_BYTES = 2**28  # of one call's answer
LONGEST_CALL = 10.0  # seconds that one call is to take, so that progress shows and little is lost
GROWTH = 4  # a call has at most so many times the scenes of the largest before it
FIRST_CALL, FIRST_SLOW_CALL = 64, 1  # scenes, while nothing is known of the speed
REPORT_EVERY = 20.0  # seconds
WORTH_KEEPING = 0.005  # seconds that an image takes; to keep it takes 1 ms


class CheckedRenderer:
    """A renderer whose answers are checked; a context manager.

    Args:
        inner: what the description's factory made.
        description: of the renderer, for these settings.
        settings: of the stage.
        report: receives lines about scenes that failed, and the progress of long calls.
        cache: of drawn scenes, or None.

    Attributes:
        cache: the same; it is looked into before anything is drawn.
    """

    def __init__(
        self,
        inner: Any,
        description: RendererDescription,
        settings: StageSettings,
        report: Callable[[str], None] = silent,
        cache: SceneCache | None = None,
    ) -> None:
        self.inner, self.description, self.size = inner, description, settings.size
        self.grey = description.grey
        self.identity = "\n".join(
            filter(None, (description.identity, str(getattr(inner, "identity", ""))))
        )
        self._report, self.cache = report, cache
        self._repeated = self._in_order = False
        self._least = FIRST_SLOW_CALL if description.slow else FIRST_CALL
        self._most = self._least
        self._scenes = self._seconds = 0.0  # of calls, the earlier ones counting less

    def __enter__(self) -> CheckedRenderer:
        if hasattr(self.inner, "__enter__"):
            self.inner.__enter__()
        return self

    def __exit__(self, *arguments: Any) -> None:
        if self.cache is not None:
            self.cache.close()
        if hasattr(self.inner, "__exit__"):
            self.inner.__exit__(*arguments)

    def effective(self, layout: SceneGraphLayout) -> np.ndarray:
        """Return which entries of the graphs this renderer looks at: bool [N, F]."""
        return self.description.effective(layout)

    def nearest_equivalent(self, graphs: SceneGraphBatch, reference: np.ndarray) -> Equivalents:
        """Return graphs that look the same, with attributes nearest to a reference [N, F]."""
        return nearest_equivalent(self.inner, graphs, reference)

    def models(self) -> dict[str, ObjectModel]:
        """Return the models of the objects by class; {} where the renderer has none."""
        return models_of(self.inner)

    def apart(self, graphs: SceneGraphBatch) -> np.ndarray:
        """Return the scenes in which no object sinks into another: bool [B]."""
        return apart(self.inner, graphs)

    def render(self, graphs: SceneGraphBatch, **parts: bool) -> Rendering:
        """Render B graphs, and what else is wanted of them.

        Args:
            parts: what of ``RETURNS`` is wanted beside the images.

        Raises:
            UserError: the renderer cannot give what is wanted, failed, or answered wrongly.
        """
        asked = tuple(name for name, wanted in parts.items() if wanted)
        objects = graphs.layout.node_names.count(MAIN)
        wanted = Wanted(self.description, self.size, asked, objects)
        graphs = within_ranges(graphs, self.description)
        if self.cache is None or not len(graphs):
            return self._drawn(graphs, wanted)
        keys = self.cache.keys(graphs, wanted.parts)
        found = [self.cache.get(key) for key in keys]
        absent = [i for i, scene in enumerate(found) if scene is None]
        if absent:
            new = self._drawn(graphs[absent], wanted, [keys[i] for i in absent])
            for place, i in enumerate(absent):
                found[i] = new[place : place + 1]
        return Rendering.joined([scene for scene in found if scene is not None])

    def _drawn(
        self, graphs: SceneGraphBatch, wanted: Wanted, keys: list[bytes] | None = None
    ) -> Rendering:
        """Draw all graphs, so many a call; each answer is kept under the keys, if there are any."""
        parts: list[Rendering] = []
        done, started = 0, time.monotonic()
        told = started
        while done < len(graphs) or not parts:
            count = self._scenes_a_call(wanted, len(graphs))
            part = graphs[done : done + count]
            before = time.monotonic()
            parts.append(self._asked(part, wanted, done))
            now = time.monotonic()
            if len(part):
                self._learn(len(part), now - before)
            worth = now - before >= WORTH_KEEPING * len(part)
            if keys is not None and self.cache is not None and worth:
                self.cache.put(keys[done : done + len(part)], parts[-1])
            done += len(part)
            if now - told > REPORT_EVERY and done < len(graphs):
                rate = done / (now - started)
                self._report(f"drew {done:,} of {len(graphs):,} scenes, {rate:.3g} a second")
                told = now
        return parts[0] if len(parts) == 1 else Rendering.joined(parts)

    def _scenes_a_call(self, wanted: Wanted, count: int) -> int:
        limits = [max(1, MOST_BYTES // wanted.bytes_a_scene), self._most, max(1, count)]
        if self.description.largest_batch is not None:
            limits.append(self.description.largest_batch)
        if self._seconds:
            in_time = int(LONGEST_CALL * self._scenes / self._seconds)
            limits.append(max(self._least, in_time))  # a busy machine cuts no small call
        return min(limits)

    def _learn(self, count: int, seconds: float) -> None:
        """Take notice of how long a call took."""
        self._scenes, self._seconds = self._scenes / 2 + count, self._seconds / 2 + seconds
        self._most = max(self._most, GROWTH * count)

    def _asked(self, graphs: SceneGraphBatch, wanted: Wanted, first: int) -> Rendering:
        """Return the checked answer of one call; scene ``first`` of the whole is its first."""
        answer = checked_answer(self._tried(graphs, wanted, first), wanted, len(graphs))
        self._check_order(graphs, answer, wanted, first)
        return answer

    def _check_order(
        self, graphs: SceneGraphBatch, answer: Rendering, wanted: Wanted, first: int
    ) -> None:
        """Draw one scene again, alone: the first time, and the first time that there are several.

        Of several it is one whose image is like no other, if there is one.
        """
        several = len(graphs) > 1
        if not self.description.reproducible or not len(graphs):
            return
        if self._in_order or (self._repeated and not several):
            return
        images = [image.tobytes() for image in answer.images]
        often = Counter(images)
        unlike = [i for i, image in enumerate(images) if often[image] == 1]
        chosen = unlike[-1] if unlike else len(graphs) - 1
        again = self._tried(graphs[[chosen]], wanted, first + chosen)
        check_repeated(checked_answer(again, wanted, 1), answer, chosen, self.description)
        self._repeated, self._in_order = True, several and bool(unlike)

    def _tried(self, graphs: SceneGraphBatch, wanted: Wanted, first: int) -> Rendering:
        """Return the renderer's answer; what failed is asked for again in halves, then alone."""
        tries = self.description.tries
        for attempt in range(1, tries + 1):
            try:
                return self.inner.render(graphs, **wanted.keywords)
            except (UserError, MemoryError):
                raise
            except Exception as error:
                failure = self._failure(error, graphs, first)
                if attempt == tries:
                    raise UserError(failure) from error
                self._report(f"{failure}; asking again")
            if hasattr(self.inner, "restart"):
                self.inner.restart()
            if len(graphs) > 1:
                break
        middle = len(graphs) // 2
        answers = [
            checked_answer(self._tried(half, wanted, first + start), wanted, len(half))
            for half, start in ((graphs[:middle], 0), (graphs[middle:], middle))
        ]
        return Rendering.joined(answers)

    def _failure(self, error: Exception, graphs: SceneGraphBatch, first: int) -> str:
        frames = traceback.extract_tb(error.__traceback__)
        last = first + len(graphs) - 1
        scenes = f"scene {first}" if last <= first else f"scenes {first} to {last}"
        return (
            f"renderer '{self.description.name}' failed at {scenes}: {type(error).__name__}: "
            f"{error} ({frames[-1].filename}:{frames[-1].lineno})"
        )


class CheckedDifferentiableRenderer(CheckedRenderer):
    """The same of a renderer that gives exact gradients."""

    def render_differentiable(
        self, graphs: SceneGraphBatch, features: torch.Tensor
    ) -> torch.Tensor:
        """Render B graphs with other features [B, N, F] so that gradients flow back to them.

        Returns:
            float32 [B, 3, H, W] in [0, 1].
        """
        import torch  # noqa: PLC0415  few renderers need it, and it takes seconds

        images = self.inner.render_differentiable(graphs, features)
        expected = (len(graphs), 3, *self.size)
        if not isinstance(images, torch.Tensor) or tuple(images.shape) != expected:
            got = tuple(images.shape) if hasattr(images, "shape") else type(images).__name__
            raise UserError(
                f"renderer '{self.description.name}': render_differentiable returned {got}; "
                f"expected a tensor of {expected}"
            )
        return images


def within_ranges(graphs: SceneGraphBatch, description: RendererDescription) -> SceneGraphBatch:
    """Return graphs whose values are those that the renderer can draw, or the nearest."""
    layout = graphs.layout
    for node, feature in np.argwhere(layout.maximum > 0):
        of_node = description.attributes.get(layout.node_names[node], {})
        known = of_node.get(layout.features[feature])
        if known is not None and known.bounded:
            low, high = (end / layout.maximum[node, feature] for end in (known.low, known.high))
            column = graphs.features[:, node, feature]
            if (column < low).any() or (column > high).any():
                features = graphs.features.copy()
                features[:, node, feature] = column.clip(low, high)
                graphs = graphs.with_features(features)
    return graphs
