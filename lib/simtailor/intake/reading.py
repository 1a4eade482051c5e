"""One reading of images: any size, mode and depth to squares of 8 bits a colour."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from simtailor.errors import UserError
from simtailor.intake.depth import (
    DeepImage,
    deep_values,
    made_small,
    scaled_down,
    value_range,
)
from simtailor.intake.folder import broken_message
from simtailor.intake.formats import any_size
from simtailor.intake.limits import MOST_PIXELS
from simtailor.intake.raw import tiles_of_16_bits

WHITE = (255, 255, 255)
LARGE = 40_000_000  # pixels from which images are read one at a time, and JPEGs at a fraction
FRACTION = 4  # times the square's edge that such a JPEG has at least
SECONDS = 10  # between two lines of progress
ORIENTATION = 0x0112
CONVERTED = {
    "turned": "turned as their EXIF data say",
    "transparent": "laid on white where they are transparent",
    "frames": "of several frames or pages: the first is taken",
    "fraction": f"of more than {LARGE // 10**6} megapixels, decoded at a fraction of their size",
    "CMYK": "converted from CMYK to RGB",
    "LAB": "converted from LAB to RGB",
    "HSV": "converted from HSV to RGB",
    "YCbCr": "converted from YCbCr to RGB",
}


@dataclass(frozen=True)
class Reading:
    """How images are read.

    Attributes:
        size: edge of the squares in pixels, or width and height of other pictures.
        fit: ``crop`` takes the middle of that form, ``pad`` shows all of the image on white.
        method: of resampling.
        most_pixels: images of more are refused.
        key: the key of ``most_pixels``, for messages.
        ranges: the numbers that become black and white in images of more than 8 bits, by
            whether these have fractions, as ``Squares.ranges`` of earlier images; an image of
            another kind cannot be read. None takes the range of the images at hand.
    """

    size: int | tuple[int, int]
    fit: Literal["crop", "pad"] = "crop"
    method: Image.Resampling = Image.Resampling.BICUBIC
    most_pixels: int = MOST_PIXELS
    key: str = "most_pixels"
    ranges: Mapping[bool, tuple[float, float]] | None = None

    @property
    def edges(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


@dataclass(eq=False)
class Squares:
    """Images as read, all of one size.

    Attributes:
        images: uint8 [n, H, W, 3].
        sizes: width and height that they had, upright.
        converted: number of images by what was done to them.
        ranges: what became black and white in images of more than 8 bits, by whether these
            have fractions.
        broken: names of the images that cannot be read, each with its reason; they are black.
    """

    images: np.ndarray
    sizes: set[tuple[int, int]] = field(default_factory=set)
    converted: Counter[str] = field(default_factory=Counter)
    ranges: dict[bool, tuple[float, float]] = field(default_factory=dict)
    broken: dict[int, tuple[str, str]] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """Return what was done to the images, in sentences."""
        return conversions(self.converted)


def read_squares(
    read: Callable[[int], Image.Image],
    name_of: Callable[[int], str],
    chosen: Sequence[int],
    reading: Reading,
    threads: int = 1,
    report: Callable[[str], None] = lambda line: None,
    where: str = "",
) -> Squares:
    """Read images; the result depends neither on the number of threads nor on their order.

    Args:
        read: returns the image of an index, maybe not yet decoded; called from ``threads``.
        where: begins the message about images that cannot be read.

    Raises:
        UserError: some cannot be read; they are named.
    """
    squares = read_what_can_be(read, name_of, chosen, reading, threads, report)
    if squares.broken:
        raise UserError(broken_message(where, len(chosen), list(squares.broken.values())))
    return squares


def read_what_can_be(
    read: Callable[[int], Image.Image],
    name_of: Callable[[int], str],
    chosen: Sequence[int],
    reading: Reading,
    threads: int = 1,
    report: Callable[[str], None] = lambda line: None,
) -> Squares:
    """Read images as ``read_squares`` does; those that cannot be read are ``broken``, by place."""
    shape = (len(chosen), *reading.edges[::-1], 3)
    squares = Squares(np.zeros(shape, np.uint8))
    deep: dict[int, DeepImage] = {}
    begun = shown = time.monotonic()

    def one(place: int) -> _Read | tuple[str, str]:
        index = int(chosen[place])
        try:
            return _read(lambda: read(index), reading)
        except Exception as error:  # decoders of damaged files raise errors of many kinds
            return name_of(index), str(error) or type(error).__name__

    with any_size(), _pool(threads) as pool:
        for place, found in enumerate(pool.map(one, range(len(chosen)))):
            if isinstance(found, tuple):
                squares.broken[place] = found
                continue
            squares.sizes.add(found.size)
            squares.converted.update(found.converted)
            if isinstance(found.square, DeepImage):
                deep[place] = found.square
            else:
                squares.images[place] = found.square
            if time.monotonic() - shown > SECONDS:
                shown = time.monotonic()
                left = (shown - begun) / (place + 1) * (len(chosen) - place - 1)
                report(f"{place + 1:,} of {len(chosen):,} images read, {_duration(left)} left")
    if not squares.broken or reading.ranges is not None:
        _scale(squares, deep, reading)
    return squares


def as_rgb(image: Image.Image) -> Image.Image:
    """Return an image of at most 8 bits a colour in RGB, what is transparent on white."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGBA", image.size, (*WHITE, 255))
        image = Image.alpha_composite(canvas, image)
    return image if image.mode == "RGB" else image.convert("RGB")


def conversions(converted: Mapping[str, int]) -> list[str]:
    """Return numbers of images by what was done to them as sentences."""
    return [f"{n:,} {'image' if n == 1 else 'images'} {what}" for what, n in converted.items()]


@dataclass(frozen=True, eq=False)
class _Read:
    square: np.ndarray | DeepImage
    size: tuple[int, int]
    converted: list[str]


_ONE_LARGE = threading.Lock()  # more at once would not fit the memory


def _read(again: Callable[[], Image.Image], reading: Reading) -> _Read:
    with again() as image:
        pixels = image.width * image.height
        if pixels > reading.most_pixels:
            raise ValueError(
                f"{image.width} x {image.height} pixels are more than {reading.key}: "
                f"{reading.most_pixels}; raise the key, or make the image smaller"
            )
        if pixels <= LARGE:
            return _decoded(image, again, reading)
        with _ONE_LARGE:
            return _decoded(image, again, reading)


def _decoded(image: Image.Image, again: Callable[[], Image.Image], reading: Reading) -> _Read:
    converted, size = [], image.size
    if has_frames(image):
        converted.append(CONVERTED["frames"])
    if image.width * image.height > LARGE:
        image.draft(None, (FRACTION * max(reading.edges),) * 2)
    drafted = image.size != size
    if drafted:
        converted.append(CONVERTED["fraction"])
    sixteen = tiles_of_16_bits(image)  # the tiles are gone once the pixels are read
    if sixteen is not None:
        image.tile = sixteen.upper
    orientation = image.getexif().get(ORIENTATION, 1)
    upright = _upright(image)
    if orientation in range(2, 9):
        converted.append(CONVERTED["turned"])
    size = (size[::-1] if orientation in range(5, 9) else size) if drafted else upright.size
    lower = None
    if sixteen is not None:
        with again() as second:
            second.tile = sixteen.lower
            lower = sixteen.lower_bytes(_upright(second))
    deep = deep_values(upright, lower)
    if deep is not None:
        small = made_small(*deep, upright.mode == "F", lambda i: _fitted(i, reading))
        if reading.ranges is not None and small.floating not in reading.ranges:
            kind = "numbers with fractions" if small.floating else "more than 8 bits"
            raise ValueError(f"it has {kind}, and no range is known for them; save it with 8 bits")
        if small.alpha is not None:
            converted.append(CONVERTED["transparent"])
        return _Read(small, size, converted)
    if upright.mode in CONVERTED:
        converted.append(CONVERTED[upright.mode])
    if upright.has_transparency_data and upright.convert("RGBA").getextrema()[3][0] < 255:
        converted.append(CONVERTED["transparent"])
    return _Read(_square(as_rgb(upright), reading), size, converted)


def _upright(image: Image.Image) -> Image.Image:
    ImageOps.exif_transpose(image, in_place=True)  # else it would copy what may be a gigabyte
    return image


def has_frames(image: Image.Image) -> bool:
    """Return whether an image has several frames or pages."""
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # what follows the first frame may be damaged; nobody looks at it
        image.seek(0)
        return True


def _fitted(image: Image.Image, reading: Reading) -> Image.Image:
    """Return the middle square, or all of the image in a rectangle that fits into the square."""
    if reading.fit == "pad":
        return ImageOps.contain(image, reading.edges, reading.method)
    return ImageOps.fit(image, reading.edges, reading.method)


def _square(rgb: Image.Image, reading: Reading) -> np.ndarray:
    return np.asarray(_padded(_fitted(rgb, reading), reading))


def _padded(small: Image.Image, reading: Reading) -> Image.Image:
    if reading.fit == "crop":
        return small
    return ImageOps.pad(small, reading.edges, reading.method, color=WHITE)


def _scale(squares: Squares, deep: dict[int, DeepImage], reading: Reading) -> None:
    """Write the deep images among the squares, and what was done to them among their notes."""
    for floating, kind in ((False, "of 16 bits or more"), (True, "of numbers with fractions")):
        group = {place: image for place, image in deep.items() if image.floating is floating}
        if not group:
            continue
        if reading.ranges is None:
            alone = len(group) == len(squares.images)
            low, high, rule = value_range(list(group.values()), alone)
        else:
            (low, high), rule = reading.ranges[floating], "as given"
        squares.ranges[floating] = low, high
        for place, image in group.items():
            grey = Image.fromarray(scaled_down(image, low, high)).convert("RGB")
            squares.images[place] = np.asarray(_padded(grey, reading))
        squares.converted[
            f"{kind}: {low:.6g} became black and {high:.6g} white ({rule})"
        ] = len(group)  # fmt: skip


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool that does not finish what is left when it is interrupted."""
    pool = ThreadPoolExecutor(max(1, threads))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
