"""Targets: a folder of the user's images, labels, and the file in between."""

import io
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shapes import BarRenderer, bar_grammar

from simtailor.errors import UserError
from simtailor.metasim.settings import Evaluation
from simtailor.metasim.target import TargetImages, render_target, split_target
from simtailor.metasim.target_folder import FEWEST_IMAGES, read_target

SIZE = 16


def picture(shade: int = 100, width: int = SIZE, height: int = SIZE) -> Image.Image:
    return Image.new("RGB", (width, height), (shade, 50, 200))


def fill(folder, count: int = FEWEST_IMAGES, start: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    for i in range(start, start + count):
        picture(i).save(folder / f"{i:04d}.png")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path):
    """A folder that lacks one image."""
    fill(tmp_path / "photos", FEWEST_IMAGES - 1)
    return tmp_path / "photos"


def only(folder, image: Image.Image, name: str = "zz.png", **options) -> np.ndarray:
    """Return one image as the target has it: uint8 [SIZE, SIZE, 3]."""
    image.save(folder / name, **options)
    return read_target(folder, SIZE, 1000, 0).images[-1]


def test_images_come_sorted_and_unchanged(folder):
    fill(folder, 5, FEWEST_IMAGES)
    fill(folder, 1, FEWEST_IMAGES - 1)
    target = read_target(folder, SIZE, 1000, 0)
    assert target.images.dtype == np.uint8
    assert target.images.shape == (FEWEST_IMAGES + 5, SIZE, SIZE, 3)
    assert target.images[:, 0, 0, 0].tolist() == list(range(FEWEST_IMAGES + 5))
    assert (target.images[:, :, :, 1:] == [50, 200]).all()
    assert target.features is None
    assert target.notes == []


def test_jpg_upper_case_and_subfolders_count_and_other_files_do_not(folder):
    (folder / "more").mkdir()
    picture(200).save(folder / "more" / "A.JPG")
    picture(200).save(folder / "zz.jpeg")
    (folder / "notes.txt").write_text("no image")
    (folder / "trap.png").mkdir()
    target = read_target(folder, SIZE, 1000, 0)
    assert len(target.images) == FEWEST_IMAGES + 1
    assert abs(target.images[-2:, :, :, 0].astype(int) - 200).max() < 6


def test_mixed_sizes_are_stated(folder):
    image = only(folder, picture(77, 40, 24))
    np.testing.assert_array_equal(image, np.asarray(picture(77)))
    picture(78, 9, 9).save(folder / "zzz.png")
    (note,) = read_target(folder, SIZE, 1000, 0).notes
    assert note == ("images of 9 x 9, 16 x 16, 40 x 24 were cut to a square and resized to 16 x 16")


def test_many_sizes_are_summed_up(folder):
    for i in range(8):
        picture(0, 20 + i, 20).save(folder / f"z{i}.png")
    (note,) = read_target(folder, SIZE, 1000, 0).notes
    assert "and 4 other sizes" in note


def test_middle_square_is_kept(folder):
    image = picture(10, 3 * SIZE, SIZE)
    image.paste(picture(250), (SIZE, 0))
    assert (only(folder, image)[:, 2:-2, 0] > 240).all()


def test_images_are_turned_as_exif_says(folder):
    upright = np.zeros((SIZE, SIZE, 3), np.uint8)
    upright[: SIZE // 2] = 255  # bright above, dark below
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned; show after a quarter turn clockwise
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
    for name in ("zz.png", "zz.jpg"):
        image = only(folder, stored, name, exif=exif).astype(int)
        assert abs(image - upright).max() < 30, name
        (folder / name).unlink()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "CMYK"])
def test_every_kind_of_image_looks_the_same(folder, mode):
    values = np.zeros((SIZE, SIZE, 3), np.uint8)
    values[4:, 4:] = 255
    if mode == "I;16":
        image = Image.fromarray(values[..., 0].astype(np.uint16) * 128)  # middle grey
        values //= 2
    else:
        image = Image.fromarray(values).convert(mode)
    name, tolerance = ("zz.jpg", 25) if mode == "CMYK" else ("zz.png", 1)
    assert abs(only(folder, image, name).astype(int) - values).max() <= tolerance


def test_palette_keeps_its_colours(folder):
    image = picture(180).quantize(4)
    assert image.mode == "P"
    assert only(folder, image)[3, 3].tolist() == [180, 50, 200]


def test_missing_folder(tmp_path):
    with pytest.raises(UserError, match=r"photos: target\.folder: no such folder"):
        read_target(tmp_path / "photos", SIZE, 1000, 0)


@pytest.mark.parametrize("count", [0, FEWEST_IMAGES - 1])
def test_too_few_images(tmp_path, count):
    fill(tmp_path / "photos", count)
    with pytest.raises(UserError) as error:
        read_target(tmp_path / "photos", SIZE, 1000, 0)
    assert f"found {count} images" in str(error.value)
    assert f"at least {FEWEST_IMAGES}" in str(error.value)


def test_all_unreadable_images_are_named(folder):
    detailed = Image.effect_noise((64, 64), 60)
    jpeg, png = encoded(detailed, "JPEG"), encoded(detailed, "PNG")
    broken = {
        "empty.png": b"",
        "text.jpg": b"This is no image.",
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "cut.png": png[: len(png) // 2],
        "header.png": png[:20],
        "exif.png": encoded(detailed, "PNG", exif=b"Exif\0\0no TIFF header"),
        "corrupt.png": png[:60] + bytes(40) + png[100:],
    }
    for name, content in broken.items():
        (folder / name).write_bytes(content)
    picture().save(folder / "good.png")
    with pytest.raises(UserError) as error:
        read_target(folder, SIZE, 1000, 0)
    message = str(error.value)
    assert message.startswith(f"{folder}: target.folder: 7 of {FEWEST_IMAGES + 7} images cannot")
    assert all(f"{folder / name}: " in message for name in broken)
    assert "good.png" not in message


def test_long_list_of_unreadable_images_is_cut(folder):
    for i in range(23):
        (folder / f"broken{i:02d}.png").write_bytes(b"")
    with pytest.raises(UserError, match="and 3 more") as error:
        read_target(folder, SIZE, 1000, 0)
    assert "broken22.png" not in str(error.value)


@pytest.fixture(scope="module")
def damaged_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    fill(folder)
    return folder


@settings(deadline=None, max_examples=80)
@given(
    kind=st.sampled_from(["PNG", "JPEG"]),
    start=st.integers(0, 1200),
    content=st.binary(max_size=12),
    cut=st.booleans(),
)
def test_damaged_image_is_read_or_named(damaged_folder, kind, start, content, cut):
    exif = Image.Exif()
    exif[0x0112] = 3
    intact = encoded(Image.linear_gradient("L").resize((24, 24)), kind, exif=exif)
    start %= len(intact)
    damaged = intact[:start] + content + (b"" if cut else intact[start + len(content) :])
    path = damaged_folder / "damaged.png"
    path.write_bytes(damaged)
    try:
        target = read_target(damaged_folder, SIZE, 1000, 0)
    except UserError as error:
        assert f"{path}: " in str(error)
        assert "1 of 21 images" in str(error)
    else:
        assert len(target.images) == FEWEST_IMAGES + 1


def test_more_images_than_wanted(tmp_path):
    fill(tmp_path / "photos", 60)

    def shades(seed: int) -> list[int]:
        target = read_target(tmp_path / "photos", SIZE, 25, seed)
        assert target.notes == ["25 of 60 images were taken (target.images)"]
        return target.images[:, 0, 0, 0].tolist()

    first = shades(0)
    assert len(set(first)) == 25
    assert first == shades(0)
    assert first != shades(1)
    assert max(first) > 40  # not merely the first ones


def test_class_subfolders_give_labels(tmp_path):
    for i, name in enumerate(["mug", "bowl", "Zebra"]):
        fill(tmp_path / name, 9, 10 * i)
    (tmp_path / "empty").mkdir()
    target = read_target(tmp_path, SIZE, 1000, 0)
    assert target.label_names == ("Zebra", "bowl", "mug")
    shade = target.images[:, 0, 0, 0] // 10  # of the folders in the order in which they were made
    np.testing.assert_array_equal(target.labels, np.array([2, 1, 0])[shade])
    assert target.notes == [
        "labels are the names of the subfolders: Zebra, bowl, mug",
        "folders without an image: empty",
    ]
    chosen = read_target(tmp_path, SIZE, 20, 0)
    shade = chosen.images[:, 0, 0, 0] // 10
    np.testing.assert_array_equal(chosen.labels, np.array([2, 1, 0])[shade])


def test_uneven_classes_are_noted(tmp_path):
    fill(tmp_path / "mug", 24)
    fill(tmp_path / "bowl", 12)
    (_, note) = read_target(tmp_path, SIZE, 1000, 0).notes
    assert "12 of bowl, 24 of mug" in note


@pytest.mark.parametrize("case", ["flat", "one beside", "one class", "deeper"])
def test_other_folders_give_no_labels(tmp_path, case):
    fill(tmp_path / "mug", 20)
    if case == "flat":
        fill(tmp_path, 20)
        shutil.rmtree(tmp_path / "mug")
    elif case == "one beside":
        fill(tmp_path / "bowl", 20)
        picture().save(tmp_path / "beside.png")
    elif case == "deeper":
        fill(tmp_path / "bowl", 20)
        fill(tmp_path / "bowl" / "more", 1)
    target = read_target(tmp_path, SIZE, 1000, 0)
    assert target.labels is None
    assert target.label_names == ()
    assert target.notes == []


def test_rendered_target_is_labelled_by_the_class_of_its_object():
    grammar = bar_grammar((0, 0), classes=("rising", "falling", "level"))
    target = render_target(grammar, BarRenderer(), 40, 0)
    assert target.label_names == ("falling", "level", "rising")
    assert target.notes == ["labels are the main object's class: falling, level, rising"]
    tall = target.images[:, :, :, 0].max(2).__gt__(128).sum(1) > 5  # neither is the level one
    np.testing.assert_array_equal(target.labels == 1, ~tall)
    lower_left = target.images[:, 8:, :8, 0].sum((1, 2)) > target.images[:, :8, :8, 0].sum((1, 2))
    np.testing.assert_array_equal(target.labels[tall] == 2, lower_left[tall])


def test_rendered_target_of_one_class_has_no_labels():
    target = render_target(bar_grammar((0, 0), classes=("level",)), BarRenderer(), 20, 0)
    assert target.labels is None


def test_part_of_a_target_is_labelled_by_the_names_of_the_prior():
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    target = TargetImages(images, None, [], np.array([0, 1, 1]), ("bowl", "mug"))
    part = target.labelled(np.array([2, 0]), ("basket", "bowl", "mug"))
    assert part.labels.tolist() == [2, 1]
    assert part.images.ravel().tolist() == [2, 0]
    with pytest.raises(UserError, match=r"target: the class 'mug' .* Did you mean 'mugs'"):
        target.labelled(np.array([0]), ("bowl", "mugs"))
    with pytest.raises(UserError, match="no labels"):
        TargetImages(images, None, []).labelled(np.array([0]), ("bowl", "mug"))


@pytest.mark.parametrize("with_features", [True, False])
def test_target_comes_back_from_its_file(tmp_path, with_features):
    random = np.random.default_rng(0)
    features = random.random((3, 4, 2), np.float32) if with_features else None
    images = random.integers(0, 255, (3, 8, 8, 3), dtype=np.uint8)
    notes = ["images of 9 x 9 were cut", "ü"] if with_features else []
    labels = np.array([1, 0, 1]) if with_features else None
    names = ("bowl", "müg") if with_features else ()
    TargetImages(images, features, notes, labels, names).write(tmp_path / "target.npz")
    read = TargetImages.read(tmp_path / "target.npz")
    np.testing.assert_array_equal(read.images, images)
    assert read.notes == notes
    assert read.label_names == names
    if with_features:
        np.testing.assert_array_equal(read.features, features)
        np.testing.assert_array_equal(read.labels, labels)
    else:
        assert read.features is None
        assert read.labels is None


@pytest.mark.parametrize("count", [20, 21, 500])
def test_target_is_split_without_overlap(count):
    evaluation = Evaluation(held_out=0.2, validation=0.1)
    parts = split_target(count, evaluation, 0)
    everything = [*parts.training, *parts.validation, *parts.held_out]
    assert sorted(everything) == list(range(count))
    assert len(parts.held_out) == round(0.2 * count)
    assert len(parts.validation) == round(0.1 * count)
    again, other = (split_target(count, evaluation, seed).held_out for seed in (0, 1))
    np.testing.assert_array_equal(again, parts.held_out)
    assert not np.array_equal(other, parts.held_out)


def test_smallest_parts_can_be_compared():
    parts = split_target(20, Evaluation(held_out=0.01, validation=0.01), 0)
    assert len(parts.validation) == len(parts.held_out) == 2


def test_smaller_images_are_averages_and_the_rest_is_kept():
    images = np.zeros((3, 4, 4, 3), np.uint8)
    images[1, :2, :2, 0] = [[10, 20], [30, 41]]
    target = TargetImages(images, None, ["a note"], np.array([0, 1, 0]), ("bowl", "mug"))
    small = target.resized((2, 2))
    assert small.images.shape == (3, 2, 2, 3)
    assert small.images.dtype == np.uint8
    assert small.images[1, :, :, 0].tolist() == [[25, 0], [0, 0]]
    assert (small.notes, small.label_names) == (target.notes, target.label_names)
    np.testing.assert_array_equal(small.labels, target.labels)
    for size in (4, 8):  # never enlarged
        np.testing.assert_array_equal(target.resized((size, size)).images, images)
