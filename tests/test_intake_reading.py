"""One reading of images: modes, depths, transparency, sizes and damage."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from simtailor.errors import UserError
from simtailor.intake import reading as module
from simtailor.intake.folder import check_images
from simtailor.intake.formats import open_image
from simtailor.intake.reading import Reading, Squares, read_squares

SIZE = 16
RAMP = np.tile(np.linspace(0, 1, SIZE), (SIZE, 1))
GREY = np.rint(RAMP * 255)
RANDOM = np.random.default_rng(0)


def read(*paths: Path, **more) -> Squares:
    settings = Reading(SIZE, **more)
    return read_squares(lambda i: open_image(paths[i]), lambda i: str(paths[i]),
                        range(len(paths)), settings, threads=2)  # fmt: skip


def saved(path: Path, image: Image.Image | np.ndarray, **more) -> Path:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(path, **more)
    return path


def problem(*paths: Path, **more) -> str:
    with pytest.raises(UserError) as error:
        read(*paths, **more)
    return str(error.value)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_ordinary_images_are_as_pillow_makes_them(tmp_path, fit):
    pixels = RANDOM.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    squares = read(saved(tmp_path / "a.png", pixels), fit=fit)
    make = {"crop": ImageOps.fit, "pad": ImageOps.pad}[fit]
    white = {} if fit == "crop" else {"color": (255, 255, 255)}
    expected = make(Image.fromarray(pixels), (SIZE, SIZE), Image.Resampling.BICUBIC, **white)
    np.testing.assert_array_equal(squares.images[0], np.asarray(expected))
    assert squares.notes() == [] and squares.sizes == {(60, 40)}


@pytest.mark.parametrize(
    ("values", "name", "low", "high"),
    [
        (np.rint(RAMP * 4095).astype(np.uint16), "a.png", 0, 4095),  # 12 bits in 16
        (np.rint(RAMP * 4095).astype(np.uint16), "a.tif", 0, 4095),
        (np.rint(RAMP * 4095).astype(">u2"), "a.tif", 0, 4095),
        (np.rint(RAMP * 65535).astype(np.uint16), "a.png", 0, 65535),
        (np.rint(20000 + RAMP * 1000).astype(np.uint16), "a.png", 20000, 21000),  # a thermal camera
        (np.rint(RAMP * 65535).astype(np.uint16), "a.pgm", 0, 65535),
        (np.rint(RAMP * 2e9 - 1e9).astype(np.int32), "a.tif", -1e9, 1e9),
        (np.rint(1e9 + RAMP * 500).astype(np.int32), "a.tif", 1e9, 1e9 + 500),
        (RAMP.astype(np.float32), "a.tif", 0, 1),
        ((RAMP * 1e-3 - 5e-4).astype(np.float32), "a.tif", -5e-4, 5e-4),
    ],
)
def test_deep_images_are_scaled_over_their_range(tmp_path, values, name, low, high):
    squares = read(saved(tmp_path / name, values))
    assert abs(squares.images[0, :, :, 0] - GREY).max() <= 1
    assert (squares.images[0] == squares.images[0, :, :, :1]).all()
    (note,) = squares.notes()
    assert note.startswith("1 image of ")
    assert f": {low:.6g} became black and {high:.6g} white (the range of all)" in note


def test_the_range_is_that_of_the_whole_set(tmp_path):
    dark = saved(tmp_path / "0.png", np.rint(RAMP * 1000).astype(np.uint16))
    bright = saved(tmp_path / "1.png", np.rint(RAMP * 2000).astype(np.uint16))
    squares = read(dark, bright)
    assert [int(i.max()) for i in squares.images] == [128, 255]


@pytest.mark.parametrize(("value", "grey"), [(2048, 128), (200, 200), (32640, 127), (65535, 255)])
def test_beside_other_images_the_depth_decides(tmp_path, value, grey):
    plain = saved(tmp_path / "0.png", Image.new("RGB", (9, 9), (10, 20, 30)))
    deep = saved(tmp_path / "1.png", np.full((9, 9), value, np.uint16))
    squares = read(plain, deep)
    assert squares.images[0, 0, 0].tolist() == [10, 20, 30]
    assert abs(int(squares.images[1, 0, 0, 0]) - grey) <= 1
    assert "beside other images" in squares.notes()[0]


def test_images_of_one_value_are_neither_black_nor_an_error(tmp_path):
    squares = read(saved(tmp_path / "a.png", np.full((9, 9), 30000, np.uint16)))
    assert np.unique(squares.images).tolist() == [117]


def test_fractions_that_are_no_numbers_are_named(tmp_path):
    values = RAMP.astype(np.float32)
    values[3, 3] = np.nan
    values[4, 4] = np.inf
    path = saved(tmp_path / "a.tif", values)
    assert f"{path}: 2 of its 256 values are NaN or infinite" in problem(path)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "P"])
def test_what_is_transparent_is_white_and_never_bleeds(mode):
    pixels = RANDOM.integers(0, 255, (64, 64, 4), dtype=np.uint8)
    pixels[..., 3] = 0
    pixels[16:48, 16:48] = (200, 200, 200, 255)
    image = Image.fromarray(pixels)
    if mode == "P":
        clear = np.where(pixels[..., 3] == 0, 1 + pixels[..., 0] % 2, 0).astype(np.uint8)
        image = Image.fromarray(clear).convert("P")
        image.putpalette([200, 200, 200, 9, 90, 9, 90, 9, 9])
        image.info["transparency"] = bytes([255, 0, 0])
    elif mode != "RGBA":
        image = image.convert(mode)
    squares = read_squares(lambda i: image, str, [0], Reading(SIZE))
    opaque = Image.new("L", (64, 64), 255)
    opaque.paste(200, (16, 16, 48, 48))
    expected = np.asarray(ImageOps.fit(opaque, (SIZE, SIZE), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(squares.images[0, :, :, 0], expected)
    assert squares.notes() == ["1 image laid on white where they are transparent"]


def test_an_opaque_alpha_channel_is_not_noted(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("RGBA", (9, 9), (1, 2, 3, 255)))
    assert read(path).notes() == [] and read(path).images[0, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "LAB"])
def test_other_colour_spaces_keep_their_look(mode):
    colour = (255, 255, 255) if mode == "1" else (90, 90, 90) if mode == "L" else (200, 100, 50)
    image = Image.new("RGB", (20, 30), colour)
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        transform = ImageCms.buildTransform(*profiles, "RGB", "LAB")
        image = ImageCms.applyTransform(image, transform)
    elif mode == "P":
        image = image.quantize(4)
    else:
        image = image.convert(mode)
    squares = read_squares(lambda i: image, str, [0], Reading(SIZE))
    assert abs(squares.images[0].astype(int) - colour).max() <= 2
    noted = mode in ("CMYK", "YCbCr", "HSV", "LAB")
    assert squares.notes() == [f"1 image converted from {mode} to RGB"] * noted


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".webp", ".mpo"])
def test_the_first_frame_is_taken_and_noted(tmp_path, suffix):
    frames = [Image.new("RGB", (20, 20), (c, c, c)) for c in (10, 200)]
    path = tmp_path / f"a{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    squares = read(path)
    assert abs(squares.images[0].astype(int) - 10).max() <= 1
    assert squares.notes() == ["1 image of several frames or pages: the first is taken"]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "deep.png", "deep.tif"])
def test_images_are_upright_and_that_is_noted(tmp_path, name):
    upright = np.zeros((32, 32), np.uint8)
    upright[:16] = 255
    stored = np.ascontiguousarray(np.rot90(upright))
    image = Image.fromarray(stored.astype(np.uint16) * 257 if "deep" in name else stored)
    exif = Image.Exif()
    exif[0x0112] = 6  # show after a quarter turn clockwise
    squares = read(saved(tmp_path / name, image, exif=exif))
    assert squares.images[0, 1].min() > 240 and squares.images[0, -2].max() < 15
    if not name.endswith("tif"):  # Pillow turns these itself
        assert "1 image turned as their EXIF data say" in squares.notes()


def test_very_large_photographs_are_read_up_to_the_key(tmp_path):
    path = saved(tmp_path / "a.jpg", Image.new("RGB", (15000, 13000), (90, 120, 30)))
    limit = Image.MAX_IMAGE_PIXELS
    squares = read(path)
    assert abs(squares.images[0].astype(int) - (90, 120, 30)).max() <= 2
    assert squares.sizes == {(15000, 13000)}
    assert "1 image of more than 40 megapixels, decoded at a fraction" in squares.notes()[0]
    assert "15000 x 13000 pixels are more than target.most_pixels: 1000000" in problem(
        path, most_pixels=10**6, key="target.most_pixels"
    )
    assert limit == Image.MAX_IMAGE_PIXELS


BYTES = {
    "is empty": b"",
    "it is HEIC inside": b"\0\0\0\x18ftypheic" + bytes(40),
    "run `git lfs pull`": b"version https://git-lfs.github.com/spec/v1\noid sha256:00",
    "a web page": b"\n<!DOCTYPE html><html>404</html>",
    "it is PDF": b"%PDF-1.4",
    "it is SVG": b"<svg width='9'/>",
    "no image, or": b"This is no image.",
}


@pytest.mark.parametrize("words", BYTES)
def test_what_is_no_image_is_named_and_said(tmp_path, words):
    (tmp_path / "a.jpg").write_bytes(BYTES[words])
    assert f"{tmp_path / 'a.jpg'}: " in problem(tmp_path / "a.jpg")
    assert words in problem(tmp_path / "a.jpg")
    with pytest.raises(UserError, match=words):  # while the workflow is planned
        check_images([tmp_path / "a.jpg"], "")


def test_a_planned_folder_is_looked_at_but_not_read(tmp_path):
    paths = [saved(tmp_path / f"{i:03d}.png", Image.new("L", (9, 9))) for i in range(100)]
    check_images(paths, "")
    paths[57].write_bytes(b"")
    with pytest.raises(
        UserError, match=r"photos: 1 of 100 images .*\n.*057\.png: the file is empty"
    ):
        check_images(paths, "photos: ")


def test_the_result_does_not_depend_on_threads_and_progress_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", -1)
    paths = [
        saved(tmp_path / f"{i}.png", RANDOM.integers(0, 255, (20 + i, 20, 3), dtype=np.uint8))
        for i in range(12)
    ]
    lines = []
    results = [
        read_squares(lambda i: open_image(paths[i]), str, range(12), Reading(SIZE), n, lines.append)
        for n in (1, 5)
    ]
    np.testing.assert_array_equal(results[0].images, results[1].images)
    assert lines[10].startswith("11 of 12 images read, ") and lines[10].endswith(" left")


def test_a_name_of_any_bytes_is_read_and_printed(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    assert read(saved(path, Image.new("RGB", (9, 9), (1, 2, 3)))).images[0, 0, 0].tolist() == [
        1,
        2,
        3,
    ]
    path.write_bytes(b"")
    with pytest.raises(UserError) as error:
        check_images([path], "")
    assert "caf\\xe9.png" in str(error.value)


def test_while_planning_three_are_named_and_equal_reasons_stand_together(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(8)]
    for path in paths:
        path.write_bytes(b"%PDF" if path.stem in "15" else b"<html>")
    with pytest.raises(UserError) as error:
        check_images(paths, "photos: ")
    first, *lines = str(error.value).split("\n  ")
    assert first.startswith("photos: 8 of 8 images looked at cannot be read")
    assert lines == [
        f"{paths[0]}, {paths[2]} and 4 more: it is a web page, as a failed download leaves it",
        f"{paths[1]} and 1 more: it is PDF",
    ]
