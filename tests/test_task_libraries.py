"""Data sets of torchvision and Hugging Face with labels and images as they are found."""

import io
import shutil
from dataclasses import replace

import datasets
import numpy as np
import pytest
from conftest import draw_digits
from pictures import draw_folder
from PIL import Image
from test_tasks_prepare import LARGE, SIZE, prepare, row

from simtailor.errors import UserError
from simtailor.tasks.sources.base import KINDS, array_source, find_kind
from simtailor.tasks.sources.labels import read_labels
from simtailor.tasks.sources.values import as_image, highest_value
from simtailor.torchvision_compat import import_torchvision

NAMES = ["cat", "dog", "eel"]


def pictures(count, level=None):
    rng = np.random.default_rng(0)
    arrays = rng.integers(0, 255, (count, 9, 9, 3)).astype(np.uint8)
    return [Image.fromarray(array if level is None else array * 0 + level) for array in arrays]


def write_hub(folder, labels, feature, images=None, image_feature=None, parts=("train", "test")):
    """Write a data set with parts of equal labels, or of those by part."""
    folder.mkdir()
    for part in parts:
        own = labels[part] if isinstance(labels, dict) else labels
        own_images = pictures(len(own)) if images is None else images
        features = datasets.Features({
            "picture": datasets.Image() if image_feature is None else image_feature,
            "kind": feature,
        })  # fmt: skip
        made = datasets.Dataset.from_dict({"picture": own_images, "kind": own}, features)
        made.to_parquet(folder / f"{part}-00000.parquet")
    return folder


def prepare_hub(folder, tmp_path, size=LARGE, **options):
    options = {"image": "picture", "label": "kind"} | options
    return prepare(row("datasets", folder, options=options), tmp_path / "resources", size)


def test_a_test_part_whose_labels_are_withheld_is_named(tmp_path):
    labels = {"train": [0, 1, 2] * 4, "test": [-1] * 6}
    folder = write_hub(tmp_path / "data", labels, datasets.ClassLabel(names=NAMES))
    expected = "the test part has no labels .all are -1.*Leave the option 'test' out"
    with pytest.raises(UserError, match=expected):
        prepare_hub(folder, tmp_path, test="test")
    task, _ = prepare_hub(folder, tmp_path)
    assert task.classes == ("cat", "dog", "eel")


def test_images_without_a_label_are_left_out_with_a_note(tmp_path):
    labels = {"train": [0, -1, 1, None, 0, 1], "test": [1, -1, 0, 0, 1, 1]}
    folder = write_hub(tmp_path / "data", labels, datasets.Value("int64"))
    task, summary = prepare_hub(folder, tmp_path, test="test")
    assert summary["in_source"] == 9
    assert summary["notes"][0] == "3 of 12 images have no label and are left out."
    assert task.labels.tolist() == [0, 1, 0, 1, 1, 0, 0, 1, 1]
    images = pictures(6)  # those beside the labels, in both parts
    assert (task.images[1] == np.asarray(images[2].resize((16, 16), 3))).all()
    assert (task.images[5] == np.asarray(images[2].resize((16, 16), 3))).all()


def test_a_class_without_images_is_left_out_with_a_note(tmp_path):
    folder = write_hub(tmp_path / "data", [0, 2] * 6, datasets.ClassLabel(names=NAMES))
    task, summary = prepare_hub(folder, tmp_path, test="test")
    assert task.classes == ("cat", "eel")
    assert sorted(set(task.labels)) == [0, 1]
    assert summary["chance"] == 50
    assert "'dog'" in summary["notes"][0]
    assert "left out" in summary["notes"][0]


@pytest.mark.parametrize(
    ("labels", "feature", "words"),
    [
        ([0.5, 1.25] * 4, "float64", "0.5 are measured values, no classes"),
        ([[0, 1], [1]] * 4, "list", r"labels such as '\[0, 1\]' .list. are no classes"),
        ([0, -7] * 4, "int64", "a label is -7; classes count from 0"),
    ],
)
def test_labels_that_are_no_classes_are_refused(tmp_path, labels, feature, words):
    kind = datasets.List(datasets.Value("int64")) if feature == "list" else datasets.Value(feature)
    folder = write_hub(tmp_path / "data", labels, kind)
    with pytest.raises(UserError, match=words):
        prepare_hub(folder, tmp_path)


@pytest.mark.parametrize(
    ("labels", "feature", "classes"),
    [
        (["ant", "bee"] * 6, "string", ("ant", "bee")),
        ([True, False] * 6, "bool", ("False", "True")),
        ([3.0, 7.0] * 6, "float32", ("3", "7")),
        ([5, 9] * 6, "int8", ("5", "9")),
    ],
)
def test_labels_of_every_kind_become_classes(tmp_path, labels, feature, classes):
    folder = write_hub(tmp_path / "data", labels, datasets.Value(feature))
    task, _ = prepare_hub(folder, tmp_path, SIZE, test="test")
    assert task.classes == classes


def test_labels_beyond_the_named_classes_are_refused():
    with pytest.raises(UserError, match=r"mine: a label is 3, but 3 classes are named, 0 to 2"):
        read_labels({"train": [0, 3]}, NAMES, "mine")
    with pytest.raises(UserError, match="mine: the test part has no images"):
        read_labels({"train": [0, 1], "test": []}, NAMES, "mine")
    with pytest.raises(UserError, match=r"some labels are names, others are not \(int, str\)"):
        read_labels({"train": [0, "cat"]}, NAMES, "mine")


@pytest.mark.parametrize("form", ["bytes", "path", "undecoded", "array", "channels first", "unit"])
def test_images_of_every_form_are_read_alike(tmp_path, form):
    images, arrays = pictures(12), np.stack([np.asarray(p) for p in pictures(12)])
    encoded = []
    for number, image in enumerate(images):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        encoded.append(buffer.getvalue())
        (tmp_path / f"{number}.png").write_bytes(encoded[-1])
    values, feature = {
        "bytes": (encoded, datasets.Value("binary")),
        "path": ([str(tmp_path / f"{n}.png") for n in range(12)], datasets.Value("string")),
        "undecoded": ([{"bytes": e, "path": None} for e in encoded], datasets.Image(decode=False)),
        "array": (arrays, datasets.Array3D((9, 9, 3), "uint8")),
        "channels first": (arrays.transpose(0, 3, 1, 2), datasets.Array3D((3, 9, 9), "uint8")),
        "unit": (arrays / 255, datasets.Array3D((9, 9, 3), "float64")),
    }[form]
    label = datasets.Value("int64")
    folder = write_hub(tmp_path / "data", [0, 1] * 6, label, list(values), feature)
    task, _ = prepare_hub(folder, tmp_path, LARGE)
    plain = write_hub(tmp_path / "plain", [0, 1] * 6, label, images)
    assert (task.images == prepare_hub(plain, tmp_path, LARGE)[0].images).all()


def test_arrays_that_are_no_images_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"mine: arrays with values down to -2.*normalised"):
        highest_value([np.full((4, 4), -2.0)], "mine")
    assert highest_value([np.full((4, 4), 300)], "mine") == 65535
    for value in (np.zeros((2, 3, 4, 5)), np.full((4, 4), np.nan), np.full((4, 4), 256), None, b"",
                  b"abc", True, np.ones((4, 4), bool)):  # fmt: skip
        with pytest.raises(ValueError, match=r"no image|finite|others have|empty"):
            as_image(value, tmp_path)


def test_a_data_set_with_only_a_test_part_names_it(tmp_path):
    folder = write_hub(tmp_path / "data", [0, 1] * 6, datasets.Value("int64"), parts=["test"])
    with pytest.raises(UserError, match="has the parts test; name one of them by the option 'tr"):
        prepare_hub(folder, tmp_path)
    assert prepare_hub(folder, tmp_path, train="test")[0].classes == ("0", "1")


def test_a_missing_column_is_named_with_those_that_exist(tmp_path):
    folder = write_hub(tmp_path / "data", [0, 1] * 6, datasets.Value("int64"))
    expected = "no column 'label'; it has: picture, kind .*by the option 'label'"
    with pytest.raises(UserError, match=expected):
        prepare_hub(folder, tmp_path, label="label")


def test_torchvision_sets_without_root_or_download_are_read(tmp_path):
    options = {"train": {"size": 24, "image_size": [3, 8, 8], "num_classes": 2}}
    task, _ = prepare(row("torchvision", "FakeData", options=options), tmp_path, LARGE)
    assert task.classes == ("0", "1")
    draw_folder(tmp_path / "photos")
    options = {"train": {"root": str(tmp_path / "photos")}}
    task, _ = prepare(row("torchvision", "ImageFolder", options=options), tmp_path, LARGE)
    assert task.classes == ("blue", "green", "red")


class Letters:
    """As torchvision's EMNIST: labels from 1, and a first class without images."""

    classes = ("N/A", "a", "b", "c")
    withheld, shape = False, ()

    def __init__(self, root, train=True, download=False):
        numbers = np.repeat(np.arange(1, 4), 6)
        self.targets = np.full(18, -1) if self.withheld and not train else numbers
        if self.shape:  # as QMNIST
            self.targets = np.stack([self.targets] * 8, axis=1)
        self._own, self._images = numbers, pictures(18)

    def __len__(self):
        return len(self._own)

    def __getitem__(self, index):
        return self._images[index], int(self._own[index])


@pytest.fixture
def letters(monkeypatch):
    known = import_torchvision().datasets
    kind = type("Letters", (Letters,), {})
    monkeypatch.setattr(known, "Letters", kind, raising=False)
    monkeypatch.setattr(known, "__all__", (*known.__all__, "Letters"))
    return kind


OPTIONS = {"train": {"train": True}, "test": {"train": False}}


@pytest.mark.parametrize("shape", [(), (8,)])
def test_the_empty_class_of_torchvisions_letters_is_left_out(tmp_path, letters, shape):
    letters.shape = shape
    task, summary = prepare(row("torchvision", "Letters", options=OPTIONS), tmp_path, LARGE)
    assert task.classes == ("a", "b", "c")
    note = "No images of 1 of the 4 classes that the source names ('N/A'); they are left out."
    assert summary["notes"][0] == note
    assert summary["chance"] == 33.33
    assert summary["counts"]["a"] == {"train": 6, "test": 6}


def test_several_torchvision_parts_train_together(tmp_path, letters):
    options = OPTIONS | {"train": [{"train": True}, {"train": True}]}
    _, summary = prepare(row("torchvision", "Letters", options=options), tmp_path, LARGE)
    assert summary["counts"]["b"] == {"train": 12, "test": 6}
    alone = {"train": options["train"]}
    _, summary = prepare(row("torchvision", "Letters", options=alone), tmp_path, LARGE)
    assert summary["in_source"] == 36
    assert summary["split"].startswith("at random")


def test_a_torchvision_part_without_labels_is_named(tmp_path, letters):
    letters.withheld = True
    with pytest.raises(UserError, match="torchvision's 'Letters': the test part has no labels"):
        prepare(row("torchvision", "Letters", options=OPTIONS), tmp_path, LARGE)


def test_idx_files_whose_labels_begin_at_1_have_no_empty_class(tmp_path):
    draw_digits(tmp_path / "letters", a_class=4)
    for path in (tmp_path / "letters").glob("*labels*"):
        content = bytearray(path.read_bytes())
        content[8:] = bytes(label + 1 for label in content[8:])
        path.write_bytes(content)
    task, _ = prepare(row("idx", tmp_path / "letters"), size=LARGE)
    assert task.classes == tuple(str(n) for n in range(1, 11))
    names = ["N/A", *"abcdefghij"]
    named, summary = prepare(
        row("idx", tmp_path / "letters", options={"classes": names}), size=LARGE
    )
    assert named.classes == tuple("abcdefghij")
    assert "('N/A'); they are left out" in summary["notes"][0]
    with pytest.raises(UserError, match="a label is 10, but 4 classes are named"):
        prepare(row("idx", tmp_path / "letters", options={"classes": names[:4]}), size=LARGE)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_of_no_class_is_named_with_its_image(monkeypatch, label):
    labels = np.array([0, 1, 2, label] * 3)
    images = np.zeros((12, 8, 8), np.uint8)
    source = array_source(images, labels, ("a", "b", "c"))
    kind = replace(find_kind("sklearn"), load=lambda *_: source)
    monkeypatch.setitem(KINDS, "sklearn", kind)
    with pytest.raises(UserError, match=f"the label of image 3 is {label}, but there are 3 class"):
        prepare(row("sklearn", "load_mine", options={"highest": 16}), size=LARGE)


def test_near_duplicates_across_the_split_are_test_images(tmp_path):
    draw_folder(tmp_path / "train", a_class=4)
    draw_folder(tmp_path / "test", a_class=2)
    for copied in range(3):  # the same test image four times
        shutil.copyfile(tmp_path / "test/red/0.png", tmp_path / f"test/red/more{copied}.png")
    _, summary = prepare(row("folder", tmp_path), size=LARGE)
    assert summary["test"] == 9
    assert summary["near_duplicates_across_the_split"] == 9


@pytest.mark.parametrize("label", [float("inf"), -float("inf"), 2**70, 10**400])
def test_a_number_beyond_all_classes_is_named(label):
    with pytest.raises(UserError, match=r"mine: a label is .*; the numbers of classes"):
        read_labels({"train": [0, label]}, None, "mine")
