"""What a build answers: parts that are told apart by the four letters in them."""

from __future__ import annotations

import contextlib
import importlib
import io
import struct
import sys
import types
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

RESEND, QUIT, VERSION, IMAGES, BOUNDS = "ftre", "quit", "vers", "imag", "boun"
FRAME_BYTES = 4
BOX = ("front", "back", "left", "right", "top", "bottom", "center")
# What the package's classes and Pillow raise at bytes that are no such data.
UNREADABLE = (
    struct.error, IndexError, KeyError, ValueError, TypeError, AttributeError, OSError,
    SyntaxError, OverflowError, Image.DecompressionBombError,
)  # fmt: skip


class LostError(Exception):
    """The build ended, hangs or answers nonsense; the text begins with "it"."""


class Answer:
    """One answer of a build.

    Args:
        parts: of the message; the last is the number of the frame.

    Raises:
        LostError: it is no answer of the protocol.
    """

    def __init__(self, parts: Sequence[bytes]) -> None:
        if not parts or len(parts[-1]) != FRAME_BYTES:
            raise LostError("it sent an answer that does not end with the number of a frame")
        self._parts: dict[str, list[bytes]] = {}
        for part in parts[:-1]:
            self._parts.setdefault(part[4:8].decode("ascii", "replace"), []).append(part)

    @property
    def wants_all_again(self) -> bool:
        """Whether it asks for the same commands once more."""
        return RESEND in self._parts

    def check_quit(self) -> None:
        """Check that it goes on.

        Raises:
            LostError: it says that it quits because of an error.
        """
        for part in self._parts.get(QUIT, ()):
            with _read(QUIT):
                fine = _classes().QuitSignal(part).get_ok()
            if not fine:
                raise LostError(
                    "it quits because of an error, such as an unknown command or an asset that it "
                    "does not find; its own log, Player.log, says which"
                )

    def version(self) -> tuple[str, str]:
        """Return the versions of the build and of its Unity."""
        with _read(VERSION):
            told = _classes().Version(self._one(VERSION))
            return told.get_tdw_version(), told.get_unity_version()

    def box(self, number: int) -> np.ndarray:
        """Return the middles of the sides of an object's box and its centre: float [7, 3].

        The sides are in the order of ``BOX``.
        """
        with _read(BOUNDS):
            bounds = _classes().Bounds(self._one(BOUNDS))
            for place in range(bounds.get_num()):
                if bounds.get_id(place) == number:
                    points = [getattr(bounds, f"get_{side}")(place) for side in BOX]
                    box = np.array(points, dtype=np.float64).reshape(len(BOX), 3)
                    if not np.isfinite(box).all():
                        raise ValueError("values that are no numbers")
                    return box
        raise LostError("it has no object where one was added: its asset bundle was not loaded")

    def picture(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the image, uint8 [size, size, 3], and the mask, bool [size, size]."""
        passes: dict[str, np.ndarray] = {}
        with _read(IMAGES):
            sent = _classes().Images(self._one(IMAGES))
            for place in range(sent.get_num_passes()):
                data = bytes(bytearray(sent.get_image(place)))
                with Image.open(io.BytesIO(data)) as picture:
                    passes[sent.get_pass_mask(place)] = np.asarray(picture.convert("RGB"))
            image, mask = passes["_img"], passes["_mask"]
        if image.shape != (size, size, 3) or mask.shape != image.shape:
            height, width = image.shape[:2]
            raise LostError(f"it sent {width} x {height} pixels; asked for were {size} x {size}")
        return image, mask.any(-1)

    def _one(self, name: str) -> bytes:
        if len(self._parts.get(name, ())) != 1:
            found = ", ".join(self._parts) or "nothing"
            raise LostError(f"it sent no '{name}' where one was asked for, but {found}")
        return self._parts[name][0]


@contextlib.contextmanager
def _read(name: str) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise LostError(f"it sent '{name}' data that cannot be read: {error!r}") from error


def _classes() -> Any:
    """Return the package's module of output data.

    Its copy of FlatBuffers finds NumPy by ``imp``, which Python 3.12 no longer has.
    """
    if "tdw.output_data" not in sys.modules:
        own = "imp" in sys.modules or sys.version_info < (3, 12)
        if not own:
            sys.modules["imp"] = types.ModuleType("imp")
            sys.modules["imp"].find_module = importlib.import_module
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                importlib.import_module("tdw.output_data")
            finally:
                if not own:
                    del sys.modules["imp"]
    return sys.modules["tdw.output_data"]
