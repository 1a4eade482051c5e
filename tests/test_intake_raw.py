"""Images of 16 bits, and TIFFs, in forms that Pillow alone reads wrongly or in part."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from simtailor.errors import UserError
from simtailor.intake.folder import check_images
from simtailor.intake.formats import open_image
from simtailor.intake.reading import Reading, Squares, read_squares

SIZE = 16
RAMP = np.tile(np.linspace(0, 1, SIZE), (SIZE, 1))
GREY = np.rint(RAMP * 255)
TWELVE = np.rint(RAMP * 4095).astype(np.uint16)
OPAQUE = np.full_like(TWELVE, 65535)


def read(*paths: Path) -> Squares:
    return read_squares(lambda i: open_image(paths[i]), lambda i: str(paths[i]),
                        range(len(paths)), Reading(SIZE))  # fmt: skip


def png(*planes: np.ndarray) -> bytes:
    """Return a PNG of 16 bits, of one to four planes uint16 [SIZE, SIZE]."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    kind = {1: 0, 2: 4, 3: 2, 4: 6}[len(planes)]
    rows = np.stack(planes, -1).astype(">u2").reshape(SIZE, -1)
    pixels = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 16, kind, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(pixels: np.ndarray, sample: int = 1, photometric: int = 1) -> bytes:
    """Return a TIFF of pixels [SIZE, SIZE] or [SIZE, SIZE, n] of a type of SampleFormat."""
    count = 1 if pixels.ndim == 2 else pixels.shape[2]
    order = ">" if pixels.dtype.byteorder == ">" else "<"
    more, start = b"", 8 + 2 + 11 * 12 + 4

    def entry(tag: int, value: int, repeat: int = 1) -> bytes:
        nonlocal more
        shorts = struct.pack(f"{order}{repeat}H", *(value,) * repeat)
        if len(shorts) > 4:
            place, more = start + len(more), more + shorts
            shorts = struct.pack(f"{order}I", place)
        return struct.pack(f"{order}HHI", tag, 3, repeat) + shorts.ljust(4, b"\0")

    bits = pixels.dtype.itemsize * 8
    first = start + (4 * count if count > 2 else 0)
    entries = [
        entry(256, SIZE), entry(257, SIZE), entry(258, bits, count), entry(259, 1),
        entry(262, photometric), entry(273, first), entry(277, count), entry(278, SIZE),
        entry(279, pixels.nbytes), entry(284, 1), entry(339, sample, count),
    ]  # fmt: skip
    head = (b"MM" if order == ">" else b"II") + struct.pack(f"{order}HIH", 42, 8, len(entries))
    return head + b"".join(entries) + bytes(4) + more + pixels.tobytes()


def sgi(*planes: np.ndarray) -> bytes:
    header = struct.pack(">HBBHHHH", 474, 0, 2, 3 if len(planes) > 1 else 2, SIZE, SIZE,
                         len(planes))  # fmt: skip
    return header.ljust(512, b"\0") + b"".join(p[::-1].astype(">u2").tobytes() for p in planes)


COLOURS = np.stack([TWELVE] * 3, -1)
PPM = b"P6\n%d %d\n65535\n" % (SIZE, SIZE)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", png(TWELVE, OPAQUE)),
        ("a.png", png(TWELVE, TWELVE, TWELVE, OPAQUE)),
        ("a.tif", tiff(np.stack([TWELVE] * 3 + [OPAQUE], -1), photometric=2)),
        ("a.ppm", PPM + COLOURS.astype(">u2").tobytes()),
        ("a.sgi", sgi(TWELVE)),
        ("a.sgi", sgi(TWELVE, TWELVE, TWELVE)),
        ("a.sgi", sgi(TWELVE, TWELVE, TWELVE, OPAQUE)),
    ],
)
def test_twelve_bits_in_sixteen_are_not_black(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    squares = read(tmp_path / name)
    assert abs(squares.images[0].mean(-1) - GREY).max() <= 1
    assert "1 image of 16 bits or more: 0 became black and 4095 white" in squares.notes()[0]


def test_colours_of_sixteen_bits_stay_apart(tmp_path):
    planes = (TWELVE, TWELVE[::-1, ::-1], np.full_like(TWELVE, 1000))
    (tmp_path / "a.png").write_bytes(png(*planes))
    expected = np.rint(np.stack(planes, -1) / 4095 * 255)
    assert abs(read(tmp_path / "a.png").images[0] - expected).max() <= 1


@pytest.mark.parametrize("planes", [1, 3])
def test_what_is_transparent_of_sixteen_bits_is_white(tmp_path, planes):
    alpha, values = OPAQUE.copy(), TWELVE.copy()
    alpha[:8], values[:8] = 0, 65535  # what nobody sees has no part in the range
    alpha[8] = 32768
    (tmp_path / "a.png").write_bytes(png(*[values] * planes, alpha))
    squares = read(tmp_path / "a.png")
    assert (squares.images[0, :8] == 255).all()
    assert abs(squares.images[0, 9:, :, 0] - GREY[9:]).max() <= 1
    assert abs(squares.images[0, 8, :, 0] - (GREY[8] + 255) / 2).max() <= 1
    assert "laid on white where they are transparent" in squares.notes()[0]


@pytest.mark.parametrize(
    ("content", "expected", "low", "high"),
    [
        (tiff(np.rint(RAMP * (2**32 - 1)).astype("<u4")), GREY, "0", "4.29497e+09"),
        (tiff(np.rint(RAMP * 60000).astype("<u2"), photometric=0), 255 - GREY, "5535", "65535"),
        (tiff(np.rint(RAMP * 4000 - 1000).astype("<i2"), sample=2), GREY, "-1000", "3000"),
    ],
)
def test_tags_of_a_tiff_say_what_its_numbers_are(tmp_path, content, expected, low, high):
    (tmp_path / "a.tif").write_bytes(content)
    squares = read(tmp_path / "a.tif")
    assert abs(squares.images[0, :, :, 0] - expected).max() <= 1
    assert f": {low} became black and {high} white" in squares.notes()[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tiff(np.rint(RAMP * 200 - 100).astype("i1"), sample=2), "of signed bytes is not read"),
        (tiff(RAMP.astype("<f8"), sample=3), "it is a TIFF of a kind that is not read"),
        (tiff(RAMP.astype("<f2"), sample=3), "it is a TIFF of a kind that is not read"),
        (tiff(np.rint(RAMP * 9e4).astype(">u4")), "it is a TIFF of a kind that is not read"),
        (tiff(np.stack([GREY.astype("u1")] * 5, -1), photometric=2), "convert it to 8 or 16 bits"),
    ],
)
def test_other_tiffs_are_refused_while_planning(tmp_path, content, words):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(UserError, match=words):
        check_images([tmp_path / "a.tif"], "")


def test_a_png_named_tga_is_read(tmp_path):
    (tmp_path / "a.tga").write_bytes(png(np.rint(RAMP * 65535).astype(np.uint16)))
    assert abs(read(tmp_path / "a.tga").images[0, :, :, 0] - GREY).max() <= 1
