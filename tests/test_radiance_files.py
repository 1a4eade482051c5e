"""Radiance HDR files: as written by others, in each way that rows may be kept, and damaged."""

from __future__ import annotations

import numpy as np
import pytest

from simtailor.assets.packs.poly_haven import read_environment
from simtailor.assets.radiance_files import RadianceError, read_radiance
from simtailor.errors import UserError

HEADER = b"#?RADIANCE\n# made by a test\nFORMAT=32-bit_rle_rgbe\nEXPOSURE=1.0\n\n"


def panorama(height=8, width=16):
    """Return a sky over dark ground with one bright pixel: float [height, width, 3]."""
    radiance = np.random.default_rng(0).uniform(0.2, 1.5, (height, width, 3))
    radiance[height // 2 :] = 0.05  # long runs
    radiance[1, 3] = (900, 700, 400)
    radiance[0, 0] = 0
    return radiance


def rgbe(radiance):
    """Return pixels uint8 [H, W, 4] as Ward's paper has them."""
    brightest = radiance.max(-1)
    exponent = np.where(brightest > 1e-32, np.frexp(brightest)[1], -128)
    mantissas = np.floor(radiance / np.ldexp(1.0, exponent)[..., None] * 256).clip(0, 255)
    return np.concatenate([mantissas, exponent[..., None] + 128], -1).astype(np.uint8)


def in_runs(pixels):
    """Return rows in runs of single channels, as most programs write them."""
    rows = []
    for row in pixels:
        rows.append(bytes((2, 2, len(row) >> 8, len(row) & 255)))
        for channel in row.T:
            place = 0
            while place < len(channel):
                same = 1
                while place + same < len(channel) and channel[place + same] == channel[place]:
                    same += 1
                if same > 2:
                    rows.append(bytes((128 + same, channel[place])))
                else:
                    rows.append(bytes((same, *channel[place : place + same])))
                place += same
    return b"".join(rows)


def repeated(pixels):
    """Return rows of whole pixels in which (1, 1, 1, n) repeats the one before."""
    rows = []
    for row in pixels:
        place = 0
        while place < len(row):
            same = 1
            while place + same < len(row) and (row[place + same] == row[place]).all():
                same += 1
            rows.append(row[place].tobytes() + bytes((1, 1, 1, same - 1)) * (same > 1))
            place += same
    return b"".join(rows)


@pytest.mark.parametrize("kept", [in_runs, repeated, lambda pixels: pixels.tobytes()])
def test_light_comes_back_to_the_precision_of_the_format(tmp_path, kept):
    wanted, path = panorama(), tmp_path / "sky.hdr"
    path.write_bytes(HEADER + b"-Y 8 +X 16\n" + kept(rgbe(wanted)))
    found = read_radiance(path)
    assert found.shape == (8, 16, 3)
    assert (np.abs(found - wanted) <= wanted.max(-1, keepdims=True) / 128).all()
    environment = read_environment(path, 32)
    assert environment.shape == (32, 64, 3)
    assert environment.mean() == pytest.approx(found.mean(), rel=0.01)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"P6 no picture of light", "does not begin"),
        (HEADER + b"+X 16 -Y 8\n" + bytes(64), "from top to bottom"),
        (HEADER.replace(b"rgbe", b"xyze") + b"-Y 8 +X 16\n", "32-bit_rle_xyze"),
        (HEADER + b"-Y 8 +X 16\n" + in_runs(rgbe(panorama()))[:-9], "cut short"),
        (HEADER + b"-Y 8 +X 16\n" + rgbe(panorama()).tobytes()[:-9], "cut short"),
        (HEADER + b"-Y 1 +X 16\n" + bytes((2, 2, 0, 16, 255, 9)) + bytes(99), "longer than"),
        (HEADER + b"-Y 900000 +X 900000\n", "at most"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, content, words):
    path = tmp_path / "sky.hdr"
    path.write_bytes(content)
    with pytest.raises(RadianceError, match=words):
        read_radiance(path)
    with pytest.raises(UserError, match=rf"sky\.hdr: .*{words}"):
        read_environment(path)
