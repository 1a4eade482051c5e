"""A user's folder as Meta-Sim's target: what of it is taken, and what the run says of it."""

import os

import numpy as np
import pytest
from PIL import Image

from simtailor.errors import UserError
from simtailor.metasim.inputs import folder_state
from simtailor.metasim.settings import Target
from simtailor.metasim.target import TargetImages
from simtailor.metasim.target_folder import FEWEST_IMAGES, find_target, read_target

SIZE = 16


def fill(folder, count: int = FEWEST_IMAGES, suffix: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("RGB", (SIZE, SIZE), (i, 50, 200)).save(folder / f"{i:04d}{suffix}")


def heic(folder, count: int) -> None:
    for i in range(count):
        (folder / f"IMG_{i}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")


def test_a_folder_of_mostly_another_format_is_refused(tmp_path):
    fill(tmp_path, 25)
    heic(tmp_path, 60)
    with pytest.raises(UserError, match=r"target\.folder: most pictures .* 60 \.heic; convert"):
        folder_state(Target(folder=str(tmp_path)))


def test_a_few_pictures_of_another_format_are_noted(tmp_path):
    fill(tmp_path, 25)
    heic(tmp_path, 6)
    lines = []
    target = read_target(tmp_path, SIZE, 1000, 0, report=lines.append)
    (note,) = target.notes
    assert note.startswith("passed over 6 .heic, a format that is not read")
    assert lines == [
        f"{tmp_path}: 31 files, 25 images taken; passed over: 6 .heic (a format that is not read)",
        note,
    ]


def test_the_test_part_is_left_and_classes_lie_below_the_others(tmp_path):
    for part, count in (("Train", 12), ("val", 3), ("test", 4)):
        for name in ("bowl", "mug"):
            fill(tmp_path / part / name, count)
    found = find_target(tmp_path)
    assert (len(found.files), found.label_names) == (30, ("bowl", "mug"))
    assert np.bincount(found.labels).tolist() == [15, 15]
    (note,) = found.report.notes
    assert note.startswith("the folder has parts: Train and val taken, the 8 images of test left")
    assert find_target(tmp_path / "Train").label_names == ("bowl", "mug")


def test_parts_without_classes_are_no_classes(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val", 5)
    found = find_target(tmp_path)
    assert (len(found.files), found.label_names) == (FEWEST_IMAGES + 5, ())


def test_cut_outs_lie_on_white_and_deep_images_are_not_black(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 4), dtype=np.uint8)
    pixels[..., 3] = 0
    pixels[16:48, 16:48] = (200, 30, 30, 255)
    ramp = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (64, 1))
    for name, values in (("cut", pixels), ("deep", ramp)):
        (tmp_path / name).mkdir()
        for i in range(FEWEST_IMAGES):
            Image.fromarray(values).save(tmp_path / name / f"{i}.png")
    cut, deep = (read_target(tmp_path / name, 64, 1000, 0) for name in ("cut", "deep"))
    assert (cut.images[:, :16] == 255).all()
    assert (cut.images[:, 20, 20] == (200, 30, 30)).all()
    assert cut.notes == ["20 images laid on white where they are transparent"]
    assert (deep.images.min(), deep.images.max()) == (0, 255)
    assert "0 became black and 4095 white" in deep.notes[0]


def test_the_account_comes_back_from_the_targets_file(tmp_path):
    fill(tmp_path / "photos")
    odd = os.fsencode(tmp_path / "photos") + b"/caf\xe9.jpg"
    Image.new("RGB", (9, 9)).save(os.fsdecode(odd))
    target = read_target(tmp_path / "photos", SIZE, 20, 0)
    target.write(tmp_path / "target.npz")
    intake = TargetImages.read(tmp_path / "target.npz").intake
    assert intake == target.intake
    assert (intake["found"], intake["taken"], intake["read"]) == (21, 21, 20)


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_a_folder_of_broken_images_is_noticed_while_planning(tmp_path, content):
    fill(tmp_path)
    assert len(folder_state(Target(folder=str(tmp_path)))) == 64
    for path in tmp_path.iterdir():
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"target\.folder: \d+ of \d+ images .*cannot be read"):
        folder_state(Target(folder=str(tmp_path)))


def test_an_image_of_too_many_pixels_is_refused_by_its_key(tmp_path):
    fill(tmp_path)
    Image.new("L", (2000, 1000)).save(tmp_path / "large.png")
    with pytest.raises(UserError, match=r"large\.png: 2000 x 1000 .* target\.most_pixels: 1000000"):
        read_target(tmp_path, SIZE, 1000, 0, most_pixels=1_000_000)


@pytest.mark.parametrize("beside", [0, 2])
def test_parts_named_otherwise_are_no_classes_and_images_beside_them_are_noted(tmp_path, beside):
    fill(tmp_path / "train_set")
    fill(tmp_path / "test_set")
    fill(tmp_path, beside)
    found = find_target(tmp_path)
    assert (len(found.files), found.label_names) == (FEWEST_IMAGES + beside, ())
    notes = " ".join(found.report.notes)
    assert "train_set taken, the 20 images of test_set left" in notes
    assert ("2 images beside the parts are taken" in notes) == bool(beside)
