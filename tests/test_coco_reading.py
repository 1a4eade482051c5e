"""COCO's labels as labelling tools write them, against the format's own tools."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_tools

from simtailor.datasets.coco import run_lengths
from simtailor.datasets.coco_reading import coco_file, decoded, mask_of, read_coco
from simtailor.detector.labelled_folder import LabelledFolder
from simtailor.errors import UserError

SIZE = (30, 40)  # height and width


def labels(folder: Path, *, below="", **changes) -> Path:
    """Write two pictures and their labels, changed by functions of the file's values."""
    (folder / below).mkdir(parents=True, exist_ok=True)
    for name in ("a", "b"):
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(folder / below / f"{name}.png")
    values = {
        "images": [
            {"id": 7, "file_name": "a.png", "width": 40, "height": 30},
            {"id": 9, "file_name": "b.png", "width": 40, "height": 30},
        ],
        "categories": [{"id": 1, "name": "Mug"}, {"id": 4, "name": "bowl"}],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 4, "bbox": [3, 4, 10, 20]},
            {"id": 2, "image_id": 9, "category_id": 1, "bbox": [30.5, 0, 10, 5.5]},
            {"id": 3, "image_id": 9, "category_id": 1, "bbox": [0, 0, 40, 30], "iscrowd": 1},
            {"id": 4, "image_id": 9, "category_id": 1, "bbox": [3, 3, 0, 5]},
        ],
    }
    for key, change in changes.items():
        change(values[key])
    (folder / "annotations.json").write_text(json.dumps(values))
    return folder


def test_boxes_are_those_of_objects_whatever_the_case_of_their_class(tmp_path):
    folder = LabelledFolder(labels(tmp_path))
    assert folder.names == ["a", "b"]
    read = folder.read("b", ["bowl", "mug"])
    # A crowd is no object, one without width neither; half a pixel too far is cut.
    assert read.boxes.tolist() == [[3, 4, 13, 24], [30.5, 0, 40, 5.5]]
    assert read.labels.tolist() == [0, 1] and read.image.shape == (30, 40, 3)
    assert folder.read("b").labels.tolist() == [0, 0]
    assert len(folder.read("a").boxes) == 0  # a picture without an object is one, too


def test_pictures_may_lie_in_a_folder_of_their_own(tmp_path):
    folder = LabelledFolder(labels(tmp_path, below="images"))
    assert folder.file_of("a") == tmp_path / "images/a.png"


def test_the_only_json_file_has_the_labels_whatever_its_name(tmp_path):
    labels(tmp_path)
    (tmp_path / "annotations.json").rename(tmp_path / "_annotations.coco.json")
    assert LabelledFolder(tmp_path).names == ["a", "b"]
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UserError, match=r"which of _annotations\.coco\.json, other\.json"):
        coco_file(tmp_path)
    (tmp_path / "a.xml").write_text("<annotation/>")
    assert LabelledFolder(tmp_path).names == ["a"]
    labels(tmp_path)
    with pytest.raises(UserError, match=r"both in annotations\.json \(COCO\) and in a\.xml"):
        _ = LabelledFolder(tmp_path).names


def set_to(place, key, value):
    def change(some):
        some[place][key] = value

    return change


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": set_to(0, "file_name", "c.png")}, r"the picture 'c\.png' is neither in"),
        ({"images": set_to(0, "id", 9)}, r"two entries of 'images' have the same id"),
        ({"images": set_to(0, "file_name", "b.png")}, r"two pictures are called 'b'"),
        ({"images": lambda some: some[0].pop("width")}, r"lacks something.*'width'"),
        ({"annotations": list.clear}, r"no picture has a box\. Label some"),
        ({"annotations": set_to(1, "image_id", 8)}, r"annotation 2 is of an unknown image.*id 8"),
        ({"annotations": set_to(1, "category_id", 2)}, r"annotation 2 .*unknown class.*id 2"),
        ({"annotations": lambda some: some[0].pop("bbox")}, r"annotation 1 lacks.*'bbox'"),
        ({"annotations": set_to(0, "bbox", [1, 2, 3])}, r"annotation 1 lacks something"),
        ({"annotations": set_to(0, "bbox", [30, 4, 13, 20])}, r"annotation 1: the box.*within b"),
        ({"annotations": set_to(0, "bbox", [3, 4, -3, 20])}, r"the box \[3.*of 40 x 30 pixels"),
    ],
)
def test_labels_that_cannot_be_used_are_told_in_a_paragraph(tmp_path, changes, said):
    with pytest.raises(UserError, match=said) as told:
        read_coco(labels(tmp_path, **changes) / "annotations.json")
    assert "annotations.json" in str(told.value) and "\n" not in str(told.value)


def test_other_files_are_no_labels(tmp_path):
    path = tmp_path / "annotations.json"
    for text, said in (("[]", "no file of COCO's labels"), ("{", r"annotations\.json:1: not val")):
        path.write_text(text)
        with pytest.raises(UserError, match=said):
            read_coco(path)


def test_a_picture_that_was_resized_since_and_a_foreign_class_are_told_while_planning(tmp_path):
    folder = LabelledFolder(labels(tmp_path))
    folder.check("b", ["bowl", "mug"])
    with pytest.raises(UserError, match=r"the class 'mug' of b is none of the data set's: bowl"):
        folder.check("b", ["bowl", "cup"])
    Image.new("RGB", (20, 15)).save(tmp_path / "b.png")
    with pytest.raises(UserError, match=r"b\.png: 20 x 15 pixels, upright, but .* says 40 x 30"):
        folder.check("b", None)


def blob(seed):
    """Return a mask with holes and several parts."""
    random = np.random.default_rng(seed)
    return np.kron(random.random((6, 8)) < 0.5, np.ones((5, 5), bool))


@pytest.mark.parametrize("seed", range(4))
def test_run_lengths_are_those_of_cocos_own_tools(seed):
    mask = blob(seed)
    compressed = coco_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = compressed["counts"].decode()
    assert decoded(text) == run_lengths(mask)
    for counts in (text, run_lengths(mask)):
        assert np.array_equal(mask_of({"size": list(SIZE), "counts": counts}, SIZE), mask)
    with pytest.raises(ValueError, match="another size"):
        mask_of({"size": [30, 41], "counts": text}, SIZE)
    with pytest.raises(ValueError, match=r"end too early|negative|another size"):
        mask_of({"size": list(SIZE), "counts": text[:-1] + "o"}, SIZE)


def test_polygons_are_those_of_cocos_own_tools():
    polygons = [[5.0, 5, 25, 5, 25, 20, 5, 20], [30.0, 2, 38, 25, 28, 25]]
    own = coco_tools.decode(coco_tools.merge(coco_tools.frPyObjects(polygons, *SIZE))) > 0
    ours = mask_of(polygons, SIZE)
    assert ours[5:20, 5:25].all() and ours[:, :27].sum() == 300
    assert (ours & own).sum() / (ours | own).sum() > 0.95
    assert not mask_of([[50.0, 5, 60, 5, 60, 9]], SIZE).any()
    with pytest.raises(ValueError, match="a polygon of 4 numbers"):
        mask_of([[1, 2, 3, 4]], SIZE)
