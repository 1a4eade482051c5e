"""The scenes of one call, and what has come of them."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from simtailor.render.program.hello import RETURNS
from simtailor.render.program.protocol import FaultError, Message
from simtailor.render.rendering import Rendering

MOST_AT_ONCE = 64  # scenes of one message
NAMES = {"image": "images", **RETURNS}
TYPES = {"image": (np.uint8, 3), "mask": (np.uint8, 1), "depth": (np.float32, 1)}


class RefusedError(FaultError):
    """The program says that it cannot draw a scene."""


class Batch:
    """Scenes to draw, by their number.

    Args:
        scenes: as they are sent.
        parts: that are wanted of each.
        image_size: in pixels.

    Attributes:
        left: how many have no answer yet.
        seconds: that the program took for those that it answered, as far as it tells.
    """

    def __init__(
        self, scenes: Sequence[dict[str, Any]], parts: Sequence[str], image_size: int
    ) -> None:
        self.scenes, self.parts, self._size = scenes, tuple(parts), image_size
        self.left, self.seconds = len(scenes), 0.0
        self._waiting = deque(range(len(scenes)))
        self._losses: Counter[int] = Counter()
        self._drawn: list[dict[str, np.ndarray] | None] = [None] * len(scenes)

    def take(self, programs: int) -> list[int]:
        """Return the numbers of scenes for one of some programs to draw next."""
        share = -(-len(self._waiting) // programs)
        return [self._waiting.popleft() for _ in range(min(share, MOST_AT_ONCE))]

    def put(self, number: int, message: Message) -> None:
        """Store an answer.

        Raises:
            RefusedError: it says that the scene cannot be drawn.
            FaultError: it lacks a part.
        """
        head, data = message
        if "error" in head:
            raise RefusedError(f"it cannot draw the scene {self.text(number)}: {head['error']}")
        found, start = {}, 0
        for name, length in head.get("parts", ()):
            found[name] = self._array(name, data[start : start + length])
            start += length
        if absent := [name for name in self.parts if name not in found]:
            raise FaultError(
                f"it sent no {absent[0]} of a scene; asked for were {', '.join(self.parts)}"
            )
        self.left -= self._drawn[number] is None
        self._drawn[number] = found
        self.seconds += head.get("seconds", 0.0)

    def give_back(self, numbers: Sequence[int], tries: int, why: str) -> None:
        """Take back the scenes that a lost program left; it was at the first of them.

        Raises:
            FaultError: programs were lost at this scene too often.
        """
        if not numbers:
            return
        self._losses[numbers[0]] += 1
        if (lost := self._losses[numbers[0]]) >= tries:
            times = "once" if lost == 1 else f"{lost} times"
            raise FaultError(f"it was lost {times} at the scene {self.text(numbers[0])}: {why}")
        self._waiting.extendleft(reversed(numbers))

    def rendering(self) -> Rendering:
        """Return all answers, once none is left."""
        drawn = [scene for scene in self._drawn if scene is not None]
        size = (0, self._size, self._size)
        empty = {
            "image": np.zeros((*size, 3), np.uint8),
            "mask": np.zeros(size, np.uint8),
            "depth": np.zeros(size, np.float32),
            "keypoints": np.zeros((0, 0, 3), np.float32),
        }
        together = {
            name: np.stack([scene[name] for scene in drawn]) if drawn else empty[name]
            for name in self.parts
        }  # fmt: skip
        return Rendering(**{NAMES[name]: part for name, part in together.items()})

    def text(self, number: int) -> str:
        """Return a scene as it was sent."""
        return json.dumps(self.scenes[number])

    def _array(self, name: str, data: memoryview) -> np.ndarray:
        if name == "keypoints":
            return np.frombuffer(data, "<f4").reshape(-1, 3)
        kind, channels = TYPES[name]
        size = (self._size, self._size)
        return np.frombuffer(data, kind).reshape((*size, 3) if channels == 3 else size)
