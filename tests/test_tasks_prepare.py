"""Tasks of every kind of source become the same arrays; what cannot be read is named."""

import gzip
import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_digits
from pictures import draw_folder, write_picture
from PIL import Image

from simtailor.errors import UserError
from simtailor.files import read_json
from simtailor.tasks.prepare import TaskSize, prepare_task, source_state
from simtailor.tasks.prepared import PreparedTask
from simtailor.tasks.results import write_shown
from simtailor.tasks.settings import ExtraTask, Tasks
from simtailor.tasks.sources.arrays import pickled_array
from simtailor.tasks.sources.landsat import RReader
from simtailor.tasks.table import TaskRow, find_task

TABLE = Path(__file__).parent.parent / "config/tasks.tsv"
SIZE = TaskSize(image_size=16, most_images=24, test_share=1 / 3)
LARGE = TaskSize(image_size=16, most_images=None, test_share=1 / 3)


def row(kind, source="", packages=(), **more):
    return TaskRow(
        name="mine", title="Mine", study="extra", kind=kind, source=str(source),
        packages=packages, **more,
    )  # fmt: skip


def prepare(task_row, resources="none", size=SIZE, seed=0):
    return prepare_task(task_row, size, resources, seed, lambda line: None)


def test_a_folder_becomes_a_task_that_is_read_as_written(tmp_path):
    folder = draw_folder(tmp_path / "photos")
    task, summary = prepare(row("folder", folder, licence="CC0"))
    task.write(tmp_path / "task")
    write_shown(task, summary, tmp_path / "shown")
    read = PreparedTask.read(tmp_path / "task")
    assert read.classes == ("blue", "green", "red")
    assert isinstance(read.images, np.memmap)
    assert read.train_images.shape == (15, 16, 16, 3)
    assert np.bincount(read.test_labels).tolist() == [3, 3, 3]
    assert not set(read.train) & set(read.test)
    # The brightest channel is the class.
    channel = read.test_images.mean((1, 2)).argmax(1)
    assert (np.array([2, 1, 0])[read.test_labels] == channel).all()
    shown = read_json(tmp_path / "shown/summary.json")
    assert shown["chance"] == 33.33
    assert shown["counts"]["red"] == {"train": 5, "test": 3}
    assert Image.open(tmp_path / "shown/contact_sheet.png").width > 400
    assert {"name", "title", "classes", "image_size", "source", "licence", "notes", "train",
            "test", "sha256", "in_source", "fit", "flip", "ranges"} == set(read.facts)  # fmt: skip
    classes = [Path(read.name_of(i)).parent.name for i in range(len(read.images))]
    assert classes == [read.classes[label] for label in read.labels]


def test_a_folder_has_the_options_of_the_table(tmp_path):
    folder = tmp_path / "photos"
    for name, colour in (("red", 0), ("blue", 2)):
        for part in range(4):
            for i in range(3):
                path = folder / name / f"part{part}_{i}.png"
                write_picture(path, colour, 100 * colour + 10 * part + i, (20, 40))
    extra = ExtraTask(folder=str(folder), fit="pad", group="part[0-9]", test_share=0.5, flip=True)
    settings = Tasks(table=str(TABLE), extra={"mine": extra})
    task, summary = prepare(find_task(settings, "mine"))
    assert task.facts["flip"]
    assert (task.images[:, :, 0] == 255).all()  # the border of an upright picture
    parts = [{task.name_of(i)[-7] for i in side} for side in (task.train, task.test)]
    assert len(task.test) == 12
    assert not parts[0] & parts[1]
    assert summary["split"] == "by the group in the path"
    wrong = ExtraTask(folder=str(folder), group="part[12]")
    with pytest.raises(UserError, match=r"'group' .* finds nothing in the paths of 12 of 24"):
        source_state(find_task(Tasks(table=str(TABLE), extra={"mine": wrong}), "mine"), "none")
    with pytest.raises(UserError, match=r"'blue' has .*, as all its images are of one group"):
        prepare(row("folder", folder, options={"group": "^[a-z]+"}))


def test_a_folder_s_own_parts_that_divide_groups_are_noted(tmp_path):
    for part in ("train", "test"):
        for name, colour in (("red", 0), ("blue", 2)):
            for i in range(3):
                seed = 1000 * (part == "test") + 10 * colour + i
                write_picture(tmp_path / part / name / f"patient{i}.png", colour, seed)
    task, summary = prepare(row("folder", tmp_path, options={"group": "patient[0-9]"}))
    assert "3 groups have images that train and images that test" in summary["notes"][-1]
    assert len(task.test) == 6


def test_what_was_found_and_done_stands_in_the_summary_and_on_the_sheet(tmp_path):
    folder = draw_folder(tmp_path / "photos")
    plain, before = prepare(row("folder", folder))
    (folder / "red/notes.txt").write_text("no image")
    Image.new("RGBA", (20, 16), (255, 0, 0, 9)).save(folder / "red/clear.png")
    task, summary = prepare(row("folder", folder), size=TaskSize(16, None, 1 / 3))
    assert summary["intake"]["passed_over"] == {".txt (no image)": 1}
    assert (summary["intake"]["taken"], summary["intake"]["read"]) == (37, 37)
    assert summary["notes"] == ["1 image laid on white where they are transparent"]
    heights = []
    for name, one, facts in (("a", plain, before), ("b", task, summary)):
        write_shown(one, facts, tmp_path / name)
        heights.append(Image.open(tmp_path / name / "contact_sheet.png").height)
    assert heights[1] > heights[0]


def test_a_class_of_a_pattern_that_is_of_another_format_is_an_error(tmp_path):
    folder = draw_folder(tmp_path / "photos")
    for i in range(3):
        (folder / "red" / f"x{i}.heic").write_bytes(b"x")
        (folder / f"eel{i}.heic").write_bytes(b"x")
    inside = row("files", folder, options={"pattern": "(?P<class>[a-z]+)/.*"})
    _, summary = prepare(inside)
    assert summary["in_source"] == 36
    everywhere = row("files", folder, options={"pattern": "(?P<class>[a-z]+).*"})
    with pytest.raises(UserError, match=r"in 'eel' 3 \.heic"):
        prepare(everywhere)


def test_broken_and_misplaced_images_are_noticed_while_planning(tmp_path):
    folder = draw_folder(tmp_path / "photos")
    (folder / "red/5.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"1 of 36 images cannot be read.*\n.*red/5.png: .* empty"):
        source_state(row("folder", folder), "none")
    write_picture(folder / "beside.png", 0, 0)
    with pytest.raises(UserError, match=r"beside\.png is in no class's folder"):
        source_state(row("folder", folder), "none")


def test_the_seed_decides_which_images_and_the_bytes(tmp_path):
    folder = draw_folder(tmp_path / "photos", a_class=20)
    first, again, other = (prepare(row("folder", folder), seed=s)[0] for s in (0, 0, 1))
    assert (first.images == again.images).all()
    assert (first.test == again.test).all()
    assert (first.images != other.images).any()


def test_a_folder_with_train_and_test_keeps_its_own_split(tmp_path):
    draw_folder(tmp_path / "train")
    draw_folder(tmp_path / "test", a_class=2)
    size = TaskSize(16, None, 1 / 3)
    task, summary = prepare(row("folder", tmp_path), size=size)
    assert (summary["train"], summary["test"]) == (36, 6)
    assert summary["split"] == "the folder's own: train trains, test tests"
    assert summary["near_duplicates_across_the_split"] == 6
    leak = "6 of 6 test images have a near-duplicate that trains: the source's own split leaks"
    assert leak in summary["notes"] and leak in task.facts["notes"]
    assert len(task.classes) == 3


def test_mixed_sizes_grey_alpha_and_sixteen_bits_all_become_squares(tmp_path):
    folder = draw_folder(tmp_path / "photos", classes=2, a_class=3)
    Image.new("L", (300, 20), 90).save(folder / "red/grey.png")
    Image.new("RGBA", (9, 31), (255, 0, 0, 0)).save(folder / "red/clear.png")
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(folder / "red/deep.png")
    Image.new("P", (8, 8)).save(folder / "red/palette.gif")
    task, summary = prepare(row("folder", folder, fit="pad"))
    assert task.images.shape == (10, 16, 16, 3)
    assert summary["original_sizes"] == "4 sizes, edges from 8 to 300"


def test_corrupt_files_are_named_all_at_once(tmp_path):
    folder = draw_folder(tmp_path / "photos")
    (folder / "red/3.png").write_bytes(b"no image")
    whole = (folder / "blue/4.png").read_bytes()
    (folder / "blue/4.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"(?s)task 'mine'.*2 of 36.*blue/4.png.*red/3.png"):
        prepare(row("folder", folder), size=TaskSize(16, None, 0.5))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda f: None, "no such folder"),
        (lambda f: f.mkdir(), "has no images"),
        (lambda f: write_picture(f / "a.png", 0, 0), "a.png is in no class's folder"),
        (lambda f: draw_folder(f, classes=1), "only one class, red"),
        (lambda f: (draw_folder(f), write_picture(f / "rare/1.png", 0, 0)), "than two.*: rare"),
    ],
)
def test_a_folder_laid_out_otherwise_is_explained(tmp_path, make, problem):
    make(tmp_path / "photos")
    with pytest.raises(UserError, match=problem):
        prepare(row("folder", tmp_path / "photos"))


def test_a_class_that_cannot_be_on_both_sides_is_an_error(tmp_path):
    for i in range(6):
        write_picture(tmp_path / f"tile0_red_{i}.png", 0, i)
        write_picture(tmp_path / f"tile{i}_blue_{i}.png", 2, 10 + i)
    pattern = "(?P<group>tile[0-9])_(?P<class>[a-z]+)_[0-9][.]png"
    with pytest.raises(UserError, match="class 'red' has 0 images to train and 6 to test"):
        prepare(row("files", tmp_path, options={"pattern": pattern}))


@pytest.mark.parametrize("number", ["red", "99999999"])
def test_a_class_that_is_no_character_is_named(tmp_path, number):
    write_picture(tmp_path / f"{number}_0.png", 0, 0)
    write_picture(tmp_path / "other_0.png", 0, 0)
    options = {"pattern": "(?:(?P<class>red|9+)|other)_0[.]png", "code_points": True}
    with pytest.raises(UserError, match=rf"{number}_0\.png: code_points is set, but .* '{number}'"):
        source_state(row("files", tmp_path, options=options), "none")


def test_a_class_of_one_image_many_times_is_an_error_that_says_so(tmp_path):
    folder = draw_folder(tmp_path / "photos")
    content = (folder / "red/0.png").read_bytes()
    for path in (folder / "red").iterdir():
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"class 'red' has .* its images are near-duplicates"):
        prepare(row("folder", folder))


def test_groups_in_paths_stay_together(tmp_path):
    for tile in range(6):
        for i in range(3):
            write_picture(tmp_path / f"{tile}/red{i}.png", 0, 10 * tile + i)
            write_picture(tmp_path / f"{tile}/blue{i}.png", 2, 100 + 10 * tile + i)
    options = {"pattern": "(?P<group>[0-9])/(?P<class>[a-z]+)[0-9][.]png"}
    task, _ = prepare(row("files", tmp_path, options=options), size=TaskSize(16, None, 1 / 3))
    # Files are sorted by path: six images a tile.
    assert len(task.test) == 12
    assert not set(task.train // 6) & set(task.test // 6)


def test_changed_files_of_a_folder_change_its_state(tmp_path):
    folder = draw_folder(tmp_path / "photos")
    before = source_state(row("folder", folder), "none")
    assert before == source_state(row("folder", folder), "none")
    write_picture(folder / "red/0.png", 1, 5, (40, 40))
    assert before != source_state(row("folder", folder), "none")


def test_changed_idx_files_of_the_user_change_its_state(tmp_path):
    draw_digits(tmp_path / "digits", a_class=4)
    before = source_state(row("idx", tmp_path / "digits"), "none")
    draw_digits(tmp_path / "more", a_class=5)
    for path in (tmp_path / "more").iterdir():
        path.rename(tmp_path / "digits" / path.name)
    assert before != source_state(row("idx", tmp_path / "digits"), "none")


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_keep_their_split(tmp_path, packed):
    draw_digits(tmp_path / "digits", a_class=4)
    if packed:
        for path in list((tmp_path / "digits").iterdir()):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    task, summary = prepare(row("idx", tmp_path / "digits"), size=TaskSize(28, 30, 1 / 3))
    assert (summary["train"], summary["test"], len(task.classes)) == (20, 10, 10)
    assert summary["in_source"] == 80
    assert summary["split"] == "the source's own"


def test_digits_of_scikit_learn():
    task, summary = prepare(row("sklearn", "load_digits", options={"highest": 16}), size=LARGE)
    assert len(task.classes) == 10
    assert summary["in_source"] == 1797
    with pytest.raises(UserError, match=r"most_images: 24 leave 8 .* for 10 classes"):
        prepare(row("sklearn", "load_digits", options={"highest": 16}))
    with pytest.raises(UserError, match="no loader 'load_digit'"):
        prepare(row("sklearn", "load_digit", options={"highest": 16}))
    with pytest.raises(UserError, match="load_iris gives no images"):
        prepare(row("sklearn", "load_iris", options={"highest": 16}))


class Trap:
    """An object whose pickle runs code."""

    def __reduce__(self):
        return (exec, ("raise RuntimeError('the pickle ran')",))


def test_pickled_arrays_are_read_without_running_the_pickle(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (30, 5, 4)).astype(np.uint8)
    labels = np.arange(30) % 3
    for name, value in (("images", images), ("labels", labels.astype(np.int64))):
        for protocol in (3, 4):
            (tmp_path / name).write_bytes(gzip.compress(pickle.dumps(value, protocol)))
            assert (pickled_array(tmp_path / name) == value).all()
    options = {"images": "images", "labels": "labels"}
    task, _ = prepare(row("pickled", tmp_path, options=options), size=TaskSize(8, 12, 1 / 3))
    assert len(task.labels) == 12
    (tmp_path / "images").write_bytes(gzip.compress(pickle.dumps([Trap(), images], 4)))
    assert pickled_array(tmp_path / "images").shape == (30, 5, 4)  # and the trap stays shut
    (tmp_path / "images").write_bytes(gzip.compress(pickle.dumps("other")))
    with pytest.raises(UserError, match="images: "):
        pickled_array(tmp_path / "images")


def test_blocks_of_a_numpy_file(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((8, 5, 5)))
    options = {"file": "a.npy", "classes": ["face", "other"], "counts": [3, 5]}
    _, summary = prepare(row("numpy", tmp_path, options=options))
    assert sum(c["train"] + c["test"] for c in summary["counts"].values()) == 8
    with pytest.raises(UserError, match="8 images, but"):
        prepare(row("numpy", tmp_path, options={**options, "counts": [3, 4]}))


def test_emoji_get_their_groups_and_variants_stay_together(tmp_path):
    table = [
        {"hexcode": "1F600", "group": "smileys"},
        {"hexcode": "1F923", "group": "smileys"},
        {"hexcode": "1F468-200D-1F33E", "group": "people"},
        {"hexcode": "1F469-200D-1F33E", "group": "people"},
        {"hexcode": "1F9D1-1F3FB-200D-1F33E", "group": "people"},
        {"hexcode": "1F385", "group": "people"},
        {"hexcode": "E000", "group": "extras-openmoji"},
    ]
    packages = tmp_path / "packages"
    (packages / "openmoji_table").mkdir(parents=True)
    (packages / "openmoji_table/openmoji.json").write_text(json.dumps(table))
    for i, entry in enumerate(table):
        write_picture(packages / f"fluent_emoji/{entry['hexcode'].lower()}.png", i, i)
    emoji = row("emoji", packages=("fluent_emoji", "openmoji_table"))
    _, summary = prepare(emoji, tmp_path, TaskSize(16, None, 0.5))
    # No skin tones, no extras; the two farmers are one motif, so that they are on one side.
    assert summary["in_source"] == 5
    assert sorted(summary["counts"]["people"].values()) == [1, 2]


def test_tree_crowns_and_places_that_none_touches(tmp_path):
    for name in ("a", "b"):
        write_picture(tmp_path / f"{name}.png", 0, 0, (60, 60))
        box = "<bndbox><xmin>{}</xmin><ymin>5</ymin><xmax>{}</xmax><ymax>15</ymax></bndbox>"
        boxes = "".join(box.format(x, x + 10) for x in (5, 25, 45))
        (tmp_path / f"{name}.xml").write_text(f"<annotation>{boxes}</annotation>")
    options = {"train": ["a"], "test": ["b"]}
    _, summary = prepare(row("tree_crowns", tmp_path, options=options))
    assert summary["counts"] == {
        "background": {"train": 3, "test": 3},
        "tree": {"train": 3, "test": 3},
    }
    (tmp_path / "b.xml").write_text("<annotation>")
    with pytest.raises(UserError, match="cannot read this tile"):
        prepare(row("tree_crowns", tmp_path, options=options))


def test_brain_slices_show_their_plane(tmp_path):
    import nibabel  # noqa: PLC0415

    values = np.zeros((20, 30, 40), np.uint8)  # left-right, back-front, feet-head
    values[2:18, 3:27, 30:38] = 200  # a bar at the head's top
    for name in ("a.nii.gz", "b.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / name)
    options = {"train": ["a.nii.gz"], "test": ["b.nii.gz"]}
    size = TaskSize(40, None, 0.5)
    task, _ = prepare(row("brain_slices", tmp_path, options=options, fit="pad"), size=size)
    assert task.classes == ("sagittal", "coronal", "axial")
    for plane in (0, 1):  # the head is upwards
        image = task.test_images[task.test_labels == plane][0]
        assert image[:20].sum() > 5 * image[20:].sum()


def test_hub_data_sets_are_read_from_a_folder_of_theirs(tmp_path):
    import datasets  # noqa: PLC0415

    rng = np.random.default_rng(0)
    columns = {
        "picture": [
            Image.fromarray(rng.integers(0, 255, (9, 9, 3)).astype(np.uint8)) for _ in range(12)
        ],
        "kind": ["cat", "dog"] * 6,
    }
    (tmp_path / "data").mkdir()
    for part in ("train", "test"):
        datasets.Dataset.from_dict(columns).cast_column("picture", datasets.Image()).to_parquet(
            tmp_path / f"data/{part}-00000.parquet"
        )
    options = {"image": "picture", "label": "kind", "test": "test"}
    task, summary = prepare(row("datasets", tmp_path / "data", options=options), tmp_path / "res")
    assert task.classes == ("cat", "dog")
    assert (summary["train"], summary["test"]) == (12, 8)
    wrong = row("datasets", tmp_path / "data", options={"image": "image"})
    with pytest.raises(UserError, match="no column 'image'; it has: picture, kind"):
        prepare(wrong, tmp_path / "res")


def test_data_sets_of_torchvision_are_read_where_they_lie(tmp_path):
    draw_digits(tmp_path / "datasets/mine/MNIST/raw", a_class=3)
    options = {"train": {"train": True}, "test": {"train": False}}
    task, summary = prepare(row("torchvision", "MNIST", options=options), tmp_path, LARGE)
    assert summary["in_source"] == 60
    assert task.classes[0] == "0 - zero"
    with pytest.raises(UserError, match="Did you mean 'MNIST'"):
        prepare(row("torchvision", "MNISTT"), tmp_path)


def r_table() -> bytes:
    """Return a data frame of two rows in R's format: x = (1, 2), class = (b, a)."""

    def number(value):
        return struct.pack(">i", value)

    def text(value):
        return number(9) + number(len(value)) + value.encode()

    def symbol(value):
        return number(1) + text(value)

    column = number(14) + number(2) + struct.pack(">2d", 1, 2)
    factor = number(13 | 1 << 9) + number(2) + struct.pack(">2i", 2, 1)
    levels = number(2 | 1 << 10) + symbol("levels")
    factor += levels + number(16) + number(2) + text("a") + text("b") + number(254)
    frame = number(19 | 1 << 9) + number(2) + column + factor
    frame += number(2 | 1 << 10) + symbol("again") + number(255 | 1 << 8) + number(254)
    content = number(2 | 1 << 10) + symbol("table") + frame + number(254)
    return b"RDX2\nX\n" + number(2) + number(0) + number(0) + content


def test_tables_of_r_are_read():
    (columns, attributes), *_ = RReader(r_table()).read().values()
    assert columns[0].tolist() == [1.0, 2.0]
    assert columns[1][0].tolist() == [2, 1]
    assert columns[1][1] == {"levels": ["a", "b"]}
    assert attributes == {"again": "table"}
    for cut in range(8, len(r_table()), 9):
        with pytest.raises((struct.error, ValueError)):
            RReader(r_table()[:cut]).read()


def test_a_folder_that_is_no_task_is_named(tmp_path):
    with pytest.raises(UserError, match="not a prepared task"):
        PreparedTask.read(tmp_path)
