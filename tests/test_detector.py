"""The detector: boxes, average precision, and what the network is to say."""

import numpy as np
import pytest
import torch
from PIL import Image

from simtailor.detector.comparison import block_spread, closed
from simtailor.detector.drawing import read_pictures, write_pictures
from simtailor.detector.network import CentreDetector, loss_of, once, targets_of
from simtailor.detector.pictures import LabelledPicture, read_pascal_voc
from simtailor.detector.precision import Detections, judged, matched, precision_of
from simtailor.detector.settings import DetectorTraining
from simtailor.detector.training import train_detector
from simtailor.detector.variation import draw_crop, turned
from simtailor.errors import UserError

BOXES = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], np.float32)
NO_LABELS = np.zeros(3, np.int64)


def detections(boxes, scores):
    return Detections(np.float32(boxes), np.float32(scores), np.zeros(len(scores), np.int64))


def squares(count=12, size=64):
    """Return pictures of dark squares on a light ground."""
    random, pictures = np.random.default_rng(0), []
    for _ in range(count):
        image = random.integers(190, 220, (size, size, 3)).astype(np.uint8)
        places = random.integers(0, 2, (2, 2)) * 32 + random.integers(0, 14, (2, 2))
        boxes = np.concatenate([places, places + 16], 1).astype(np.float32)[:1]
        for left, top, right, bottom in boxes.astype(int):
            image[top:bottom, left:right] = (30, 60, 20)
        pictures.append(LabelledPicture(image, boxes, np.zeros(len(boxes), np.int64)))
    return pictures


def test_precision_of_a_small_case_is_that_of_the_definition():
    # Right, wrong, right, of three objects: precisions 1, 1/2, 2/3 at recalls 1/3, 1/3, 2/3.
    found = precision_of(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 3)
    assert found.average == pytest.approx(1 / 3 + 2 / 3 / 3)
    assert found.f1 == pytest.approx(2 / 3)  # of all three: precision and recall 2/3
    assert found.threshold == pytest.approx(0.7)
    assert precision_of(np.zeros(0), np.zeros(0, bool), 3).average == 0


def test_a_later_better_precision_counts_for_earlier_recall():
    right = np.array([False, True, True])
    # Envelope of 0, 1/2, 2/3 is 2/3 everywhere; both objects are found.
    assert precision_of(np.array([3.0, 2, 1]), right, 2).average == pytest.approx(2 / 3)


def test_an_object_is_found_once_and_by_the_best_score():
    found = detections([[0, 0, 10, 10], [1, 0, 11, 10], [60, 0, 70, 10]], [0.5, 0.9, 0.8])
    assert matched(found, BOXES, 0.5).tolist() == [-1, 0, -1]
    # An overlap of exactly a half: 5 x 10 of 10 x 10 and 5 x 10.
    assert matched(detections([[0, 0, 5, 10]], [1.0]), BOXES, 0.5).tolist() == [0]
    assert matched(detections([[0, 0, 4.9, 10]], [1.0]), BOXES, 0.5).tolist() == [-1]


def test_perfect_detections_have_precision_one_and_classes_are_told_apart():
    found = detections(BOXES, [0.9, 0.8, 0.7])
    assert judged([found], [BOXES], [NO_LABELS], 0.5).average == pytest.approx(1)
    labels = np.array([0, 0, 1])
    # The third is of class 1, which nothing was called: mean of 2 right of 3 called, and none.
    assert judged([found], [BOXES], [labels], 0.5, classes=2).average == pytest.approx(0.5)


def test_blocks_that_are_alike_give_no_spread():
    grid = np.array([[x, y, x + 8, y + 8] for x in range(1, 90, 10) for y in range(1, 90, 10)])
    boxes = grid.astype(np.float32)
    test = LabelledPicture(np.zeros((90, 90, 3), np.uint8), boxes, np.zeros(len(boxes), int))
    assert block_spread([detections(boxes, np.ones(len(boxes)))], [test]) == pytest.approx(0)
    half = boxes[boxes[:, 0] < 45]
    assert block_spread([detections(half, np.ones(len(half)))], [test]) > 0.05


def test_closed_is_the_share_of_the_way_to_real_labels():
    rows = {"prior": {"ap_40": [0.3, 0.5]}, "real": {"ap_40": [0.6]}, "fit": {"ap_40": [0.45]}}
    assert closed(rows, "fit") == pytest.approx(0.25)
    assert closed({"prior": rows["prior"], "fit": rows["fit"]}, "fit") is None


def test_the_targets_are_met_by_what_they_describe():
    boxes = np.array([[4, 8, 36, 28], [40, 40, 52, 60]], np.float32)
    targets = [torch.from_numpy(t)[None] for t in targets_of(boxes, np.zeros(2, int), 1, (16, 16))]
    centres, sides, weights = targets
    assert (centres > 0.999).sum() == 2
    assert float(weights.sum()) == pytest.approx(2)
    perfect = torch.where(centres > 0.999, 20.0, -20.0)
    assert float(loss_of(perfect, sides, targets)) < 0.01
    assert float(loss_of(perfect, sides * 1.5, targets)) > 0.3
    # The cell of the first box's middle reaches exactly its sides.
    row, column = 18 // 4, 20 // 4
    x, y = (column + 0.5) * 4, (row + 0.5) * 4
    assert sides[0, :, row, column].tolist() == [x - 4, y - 8, 36 - x, 28 - y]


def test_of_near_detections_of_a_class_the_surest_stays():
    boxes = np.float32([[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [30, 0, 40, 10]])
    kept = once(boxes, np.array([0.5, 0.9, 0.8, 0.1]), np.array([0, 0, 1, 0]))
    assert kept.tolist() == [1, 2, 3]


def test_boxes_turn_with_their_picture():
    image = np.zeros((20, 20, 3), np.uint8)
    image[2:6, 10:18] = 255
    picture = LabelledPicture(image, np.float32([[10, 2, 18, 6]]), np.zeros(1, np.int64))
    for quarters in range(4):
        for mirrored in (False, True):
            moved = turned(picture, quarters, mirrored)
            left, top, right, bottom = moved.boxes[0].astype(int)
            assert moved.image[top:bottom, left:right].min() == 255
            assert moved.image.sum() == image.sum()


def test_a_part_keeps_what_it_shows_enough_of():
    picture = LabelledPicture(np.zeros((20, 40, 3), np.uint8), BOXES[:2], NO_LABELS[:2])
    part = picture.part(4, 0, 20, 20)  # 60 % of the first box, 40 % of the second
    assert part.boxes.tolist() == [[0, 0, 6, 10], [16, 0, 20, 10]]
    assert len(picture.part(7, 0, 16, 20).boxes) == 0


def test_crops_of_a_sparse_source_show_as_many_objects_as_those_of_a_full_one():
    nothing = np.zeros((0, 4), np.float32), NO_LABELS[:0]
    empty = LabelledPicture(np.zeros((64, 64, 3), np.uint8), *nothing)
    random = np.random.default_rng(0)
    for source in ([*squares(2), *[empty] * 18], squares(20)):
        shown = [len(draw_crop(source, 32, random).boxes) for _ in range(120)]
        assert 0.55 < np.mean(shown) < 0.95
    assert len(draw_crop([empty], 32, random).boxes) == 0


def test_crops_are_square_and_depend_on_their_numbers_alone():
    crops = [draw_crop(squares(), 48, np.random.default_rng(3)) for _ in range(2)]
    assert crops[0].image.shape == (48, 48, 3)
    assert np.array_equal(crops[0].image, crops[1].image)
    assert (crops[0].boxes >= 0).all() and (crops[0].boxes <= 48).all()


def test_pictures_come_back_from_their_file(tmp_path):
    pictures = squares(3)
    write_pictures(tmp_path / "some.npz", pictures)
    for before, after in zip(pictures, read_pictures(tmp_path / "some.npz"), strict=True):
        assert np.array_equal(before.image, after.image)
        assert np.array_equal(before.boxes, after.boxes)


def voc(folder, name="tile", label="Tree"):
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(folder / f"{name}.png")
    box = "<xmin>3</xmin><ymin>4</ymin><xmax>13</xmax><ymax>24</ymax>"
    text = f"<annotation><object><name>{label}</name><bndbox>{box}</bndbox></object></annotation>"
    (folder / f"{name}.xml").write_text(text)


def test_a_labelled_picture_is_read_and_resized(tmp_path):
    voc(tmp_path)
    picture = read_pascal_voc(tmp_path, "tile").resized(0.5)
    assert picture.image.shape == (15, 20, 3)
    assert picture.boxes.tolist() == [[1.5, 2, 6.5, 12]]
    assert read_pascal_voc(tmp_path, "tile", ["bush", "tree"]).labels.tolist() == [1]


def test_a_class_that_nobody_knows_and_absent_boxes_are_named(tmp_path):
    voc(tmp_path, label="rock")
    with pytest.raises(UserError, match=r"rock.*bush, tree"):
        read_pascal_voc(tmp_path, "tile", ["bush", "tree"])
    (tmp_path / "tile.xml").unlink()
    with pytest.raises(UserError, match=r"tile\.xml.*Pascal VOC"):
        read_pascal_voc(tmp_path, "tile")


@pytest.fixture(scope="module")
def trained():
    settings = DetectorTraining(steps=50, batch_size=4, crop=64, learning_rate=2e-3)
    lines = []
    return train_detector(squares(), 1, settings, 0, None, lines.append), lines


def test_it_learns_to_find_dark_squares_without_any_weights(trained):
    detector, lines = trained
    tests = squares(16)[12:]
    found = [detector.detect(t.image) for t in tests]
    boxes, labels = [t.boxes for t in tests], [t.labels for t in tests]
    assert judged(found, boxes, labels, 0.4).average > 0.6
    assert "0 s left" in lines[-1]


def test_a_picture_of_any_size_is_looked_at(trained):
    found = trained[0].detect(np.full((37, 51, 3), 200, np.uint8))
    assert (found.boxes >= 0).all() and (found.boxes <= [51, 37, 51, 37]).all()


def test_the_frozen_part_stays():
    detector = CentreDetector(1, None).train()
    assert not any(p.requires_grad for p in detector.stem.parameters())
    assert not any(m.training for block in detector.blocks for m in block.modules())
    assert any(p.requires_grad for p in detector.blocks[-1].parameters())
