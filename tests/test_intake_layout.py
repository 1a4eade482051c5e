"""Folders of labelled images: classes, parts, formats and names, as users have them."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simtailor.errors import UserError
from simtailor.files import files_state
from simtailor.intake.layout import AT_RANDOM, labelled_files
from simtailor.intake.names import printable

PIXELS = np.random.default_rng(0).integers(0, 255, (12, 12, 3), dtype=np.uint8)


def picture(path: Path, kind: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PIXELS).save(path, kind)


def fill(folder: Path, *names: str, count: int = 3, suffix: str = ".png") -> Path:
    """Write ``folder/NAME/0.png`` and so on."""
    for name in names:
        for i in range(count):
            picture(folder / name / f"{i}{suffix}")
    return folder


def touch(path: Path, content: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def counts(folder: Path) -> dict[str, int]:
    return dict(Counter(name for _, name in labelled_files(folder).labelled))


def problem(folder: Path) -> str:
    with pytest.raises(UserError) as error:
        labelled_files(folder)
    assert str(error.value).startswith(str(folder))
    return str(error.value)


def parts(folder: Path) -> dict[str, dict[bool, int]]:
    """Return the number of images of each class to train (False) and to test (True)."""
    found = labelled_files(folder)
    rows = zip(found.labelled, found.test, strict=True)
    table: dict[str, Counter] = {}
    for (_, name), test in rows:
        table.setdefault(name, Counter())[test] += 1
    return {name: dict(count) for name, count in table.items()}


@pytest.mark.parametrize(
    ("train", "test"),
    [("train", "val"), ("Train", "VALID"), ("training", "validation"), ("TRAIN", "Test"),
     ("train", "testing"), ("train", "dev"), ("train", "eval")],
)  # fmt: skip
def test_parts_are_known_by_their_names_in_any_case(tmp_path, train, test):
    fill(tmp_path / train, "ants", "bees", count=4)
    fill(tmp_path / test, "ants", "bees", count=2)
    assert parts(tmp_path) == {n: {False: 4, True: 2} for n in ("ants", "bees")}
    split = labelled_files(tmp_path).report.split
    assert split.startswith(f"the folder's own: {train} trains, {test} tests")
    assert ("no test part" in split) == ("test" not in test.lower())


def test_validation_trains_where_there_is_a_test_part(tmp_path):
    for part, count in (("train", 4), ("val", 1), ("test", 2)):
        fill(tmp_path / part, "ants", "bees", count=count)
    assert parts(tmp_path)["ants"] == {False: 5, True: 2}
    split = "the folder's own: train and val train, test tests"
    assert labelled_files(tmp_path).report.split == split


def test_parts_may_lie_inside_of_the_classes(tmp_path):
    for name in ("ants", "bees"):
        fill(tmp_path / name, "train", count=4)
        fill(tmp_path / name, "test", count=1)
    assert parts(tmp_path) == {n: {False: 4, True: 1} for n in ("ants", "bees")}


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path, "train", "bus")
    assert counts(tmp_path) == {"train": 3, "bus": 3}
    assert labelled_files(tmp_path).report.split == AT_RANDOM


@pytest.mark.parametrize("inside", ["", "unknown"])
def test_a_test_part_without_labels_is_passed_over_and_noted(tmp_path, inside):
    fill(tmp_path / "train", "ants", "bees")
    fill(tmp_path / "test", inside, count=5)
    found = labelled_files(tmp_path)
    assert found.test is None
    assert len(found.labelled) == found.report.taken == 6
    assert found.report.split == f"{AT_RANDOM}, of the part train"
    assert any("'test' has no class folders: its 5 images" in n for n in found.report.notes)


def test_parts_with_other_classes_are_an_error(tmp_path):
    fill(tmp_path / "train", "ants", "bees")
    fill(tmp_path / "val", "Ants", "bees")
    assert "of 'ants' there are images to train but none" in problem(tmp_path)
    assert "Did you mean 'Ants'" in problem(tmp_path)


def test_a_folder_beside_parts_is_an_error(tmp_path):
    for name in ("train", "test", "chest_xray"):
        fill(tmp_path / name, "ants", "bees")
    assert "train look like parts" in problem(tmp_path) and ": chest_xray;" in problem(tmp_path)


def test_two_folders_of_one_part_are_an_error(tmp_path):
    for name in ("train", "Training", "test"):
        fill(tmp_path / name, "ants", "bees")
    assert "two folders are the train part: Training, train" in problem(tmp_path)


@pytest.mark.parametrize("inside", [("cat", "dog"), ("train", "val")])
def test_a_folder_around_the_classes_is_pointed_at(tmp_path, inside):
    for name in inside:
        fill(tmp_path / "images" / name, "x")
    assert f"give {tmp_path / 'images'}" in problem(tmp_path)


def test_images_in_no_class_are_counted_and_one_is_named(tmp_path):
    fill(fill(tmp_path, "cat", "dog"), "", count=4)
    assert f"{tmp_path / '0.png'} and 3 other images are in no class's folder" in problem(tmp_path)


def test_service_files_are_no_class(tmp_path):
    fill(tmp_path, "cat", "dog")
    fill(tmp_path, ".ipynb_checkpoints", "__MACOSX/cat", "cat/@eaDir", "cat/.ipynb_checkpoints")
    touch(tmp_path / "dog/Thumbs.db")
    found = labelled_files(tmp_path)
    assert counts(tmp_path) == {"cat": 3, "dog": 3}
    assert found.report.passed_over.total() == 13 == found.report.found - found.report.taken


def test_links_to_classes_are_followed_and_to_images_beside_them_not_again(tmp_path):
    fill(tmp_path / "set", "cat", "dog")
    fill(tmp_path / "elsewhere", "eel")
    (tmp_path / "set/eel").symlink_to("../elsewhere/eel")
    (tmp_path / "set/dog/same.png").symlink_to("0.png")
    os.link(tmp_path / "set/cat/0.png", tmp_path / "set/cat/also.png")
    assert counts(tmp_path / "set") == {"cat": 3, "dog": 3, "eel": 3}
    passed_over = labelled_files(tmp_path / "set").report.passed_over
    assert passed_over == {"links to a file that is taken": 2}


@pytest.mark.parametrize("suffix", [".heic", ".CR2", ".psd", ".svg", ".mp4"])
def test_a_class_of_a_format_that_is_not_read_is_an_error(tmp_path, suffix):
    fill(tmp_path, "cat", "dog")
    for i in range(6):
        touch(tmp_path / f"eel/{i}{suffix}")
    assert f"in 'eel' 6 {suffix.lower()}" in problem(tmp_path)


def test_a_few_pictures_of_another_format_are_noted_and_raw_files_beside_jpegs_are_not(tmp_path):
    fill(tmp_path, "cat", "dog", count=4)
    for i in range(4):
        touch(tmp_path / f"cat/{i}.nef")
    touch(tmp_path / "dog/other.heic")
    (note,) = labelled_files(tmp_path).report.notes
    assert note.startswith("passed over 1 .heic in dog, a format that is not read")
    passed_over = labelled_files(tmp_path).report.passed_over
    assert passed_over[".nef (a format that is not read)"] == 4


SUFFIXES = {
    ".jpg": "JPEG", ".JPEG": "JPEG", ".jfif": "JPEG", ".jpe": "JPEG", ".png": "PNG", ".PNG": "PNG",
    ".webp": "WEBP", ".tif": "TIFF", ".TIFF": "TIFF", ".bmp": "BMP", ".gif": "GIF", ".ppm": "PPM",
    ".pgm": "PPM", ".pnm": "PPM", ".jp2": "JPEG2000", ".tga": "TGA",
}  # fmt: skip


def test_every_usual_suffix_is_taken(tmp_path):
    fill(tmp_path, "cat")
    for i, (suffix, kind) in enumerate(SUFFIXES.items()):
        picture(tmp_path / f"dog/{i}{suffix}", kind)
    assert counts(tmp_path) == {"cat": 3, "dog": len(SUFFIXES)}


def test_other_files_are_counted_by_suffix_and_empty_folders_named(tmp_path):
    fill(tmp_path, "cat", "dog")
    (tmp_path / "eel").mkdir()
    for name in ("labels/a.txt", "labels/b.txt", "cat/meta.JSON", "README"):
        touch(tmp_path / name)
    found = labelled_files(tmp_path)
    assert set(counts(tmp_path)) == {"cat", "dog"}
    assert found.report.notes == ["folders without an image: eel, labels"]
    assert found.report.passed_over == {
        ".txt (no image)": 2, ".json (no image)": 1, "without suffix (no image)": 1
    }  # fmt: skip


def test_images_without_a_suffix_are_no_silent_loss(tmp_path):
    fill(tmp_path, "cat", "dog")
    for i in range(4):
        picture(tmp_path / "eel" / f"{i:032x}", "JPEG")
    assert "the suffix of an image: in 'eel' 4 without suffix; rename" in problem(tmp_path)


def test_any_file_name_and_class_name_is_taken(tmp_path):
    fill(tmp_path, "cat", "two\nlines", "$x_1$", "käse")
    odd = os.fsencode(tmp_path) + b"/sel\xe9"
    os.rename(tmp_path / "cat", odd)
    os.rename(odd + b"/0.png", odd + b"/caf\xe9.png")
    found = labelled_files(tmp_path)
    assert set(counts(tmp_path)) == {"sel\\xe9", "two\\nlines", "$x_1$", "käse"}
    json.dumps(found.report.summary(), ensure_ascii=False).encode()
    assert len(files_state([path for path, _ in found.labelled])) == 64


def test_composed_and_decomposed_accents_are_one_class(tmp_path):
    fill(tmp_path / "train", "caf\u00e9", "tea")
    fill(tmp_path / "test", "cafe\u0301", "tea")
    assert set(counts(tmp_path)) == {"café", "tea"}
    fill(tmp_path / "train", "cafe\u0301")
    assert "2 class folders are all written 'café'" in problem(tmp_path)


def test_names_that_differ_in_case_are_noted(tmp_path):
    fill(tmp_path, "Cat", "cat")
    assert set(counts(tmp_path)) == {"Cat", "cat"}
    assert (
        "Cat, cat differ only in upper and lower case" in labelled_files(tmp_path).report.notes[0]
    )


def test_a_file_is_no_folder(tmp_path):
    touch(tmp_path / "a.zip")
    assert "it is a file, not a folder" in problem(tmp_path / "a.zip")


def test_names_are_printable():
    assert printable("a\tb\u2028") == "a\\tb\\u2028"
    assert printable(os.fsdecode(b"\xff.png")) == "\\xff.png"
    assert printable("日本 ü.png") == "日本 ü.png"


@pytest.mark.parametrize(
    ("train", "test"),
    [("train_set", "test_set"), ("traindir", "valdir"), ("Train_Images", "Val_Images"),
     ("train1", "val1"), ("train ", "test"), ("train", "holdout"), ("train", "hold-out"),
     ("training_set", "test_set"), ("seg_train", "seg_test"), ("train2017", "val2017"),
     ("TrainImages", "TestImages"), ("trainval", "test")],
)  # fmt: skip
def test_parts_are_known_by_a_word_of_their_names(tmp_path, train, test):
    fill(tmp_path / train, "ants", "bees", count=4)
    fill(tmp_path / test, "ants", "bees", count=2)
    assert parts(tmp_path) == {n: {False: 4, True: 2} for n in ("ants", "bees")}


def test_classes_whose_names_hold_a_word_of_parts_stay_classes(tmp_path):
    fill(tmp_path, "test tube", "training shoe", "bottle")
    assert len(counts(tmp_path)) == 3
    fill(tmp_path / "two", "test tube", "test strip")
    assert len(counts(tmp_path / "two")) == 2


def test_images_directly_in_parts_are_no_classes(tmp_path):
    fill(tmp_path, "train1", "val1")
    assert "(parts of a split: train1, val1)" in problem(tmp_path)


def test_folders_of_the_same_folders_are_no_classes_unasked(tmp_path):
    for name in ("2020", "2021"):
        fill(tmp_path / name, "ants", "bees")
    message = problem(tmp_path)
    assert "the folders 2020, 2021 hold the same folders (ants, bees)" in message
    assert f"give {tmp_path / '2020'}, or all with kind: files" in message


@pytest.mark.parametrize("beside", ["bees", "ants"])
def test_parts_in_some_classes_only_are_an_error(tmp_path, beside):
    fill(tmp_path / "ants", "train", "test")
    fill(tmp_path / "wasps", "train", "test")
    fill(tmp_path, beside)
    assert f"but {beside}/0.png is in none" in problem(tmp_path)


@pytest.mark.parametrize(
    "names",
    [("x0", "x1", "x2"), ("1.jpg_large", "2.jpg_large"), ("1.png.1", "a.jpeg?x=1")],
)
def test_images_whose_names_have_no_suffix_of_one_are_not_lost(tmp_path, names):
    fill(tmp_path, "cat", "dog")
    fill(tmp_path, "eel", count=1)
    for name in names:
        picture(tmp_path / "eel" / name, "PNG")
        touch(tmp_path / "dog" / f"{name}.txt", b"words")
    message = problem(tmp_path)
    assert "most pictures have a name without the suffix of an image: in 'eel' " in message
    assert "dog" not in message
    assert f"rename those that look like images ({names[0]}) to .jpg or .png" in message
    for name in names[1:]:
        (tmp_path / "eel" / name).unlink()
    notes = labelled_files(tmp_path).report.notes
    assert len(notes) == 1 and "in eel, a name without the suffix of an image" in notes[0]


@pytest.mark.parametrize(
    ("link", "target", "one", "other"),
    [("eel", "cat", "cat", "eel"), ("dog/more", "../cat", "cat", "dog/more")],
)
def test_a_class_that_links_to_another_is_an_error(tmp_path, link, target, one, other):
    fill(tmp_path, "cat", "dog")
    (tmp_path / link).symlink_to(target)
    assert f"'{one}' and '{other}' are one and the same folder, {tmp_path / 'cat'}" in problem(
        tmp_path
    )


def test_parts_that_link_to_one_folder_are_an_error(tmp_path):
    fill(tmp_path / "elsewhere", "ants", "bees")
    (tmp_path / "set").mkdir()
    for part in ("train", "test"):
        (tmp_path / "set" / part).symlink_to("../elsewhere")
    assert "'test' and 'train' are one and the same folder" in problem(tmp_path / "set")
