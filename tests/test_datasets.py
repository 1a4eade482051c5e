"""Data sets drawn from fits, and their exports as other tools read them."""

import os
import signal
import time
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
import yaml
from conftest import ROOT
from discs import BEHIND, write_grammar
from fits import write_fit
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from simtailor.datasets.coco import export_coco
from simtailor.datasets.exporting import export
from simtailor.datasets.formats import FORMATS
from simtailor.datasets.polygons import joined, outlines
from simtailor.datasets.yolo import export_yolo
from simtailor.errors import UserError
from simtailor.files import read_json
from simtailor.fitted.drawing import depth_steps
from simtailor.fitted.inputs import check_exportable, experiment_with_stage
from simtailor.fitted.reading import FittedSet
from simtailor.fitted.scenes import Fit, FittedScenes
from simtailor.fitted.settings import Datasets
from simtailor.fitted.stage import make_dataset
from simtailor.metasim.settings import Experiment
from simtailor.metasim.stage import Machine

IMAGES, SIZE = 23, 40
MADE = {"images": IMAGES, "shard_size": 8, "seed": 3, "stage": {"image_size": SIZE, "samples": 2}}


def experiment_of(name="tyol_1attr", **values):
    grammar = str(ROOT / f"config/grammars/{name}.json")
    target = {"grammar": str(ROOT / f"config/grammars/{name}_target.json")}
    return Experiment.model_validate({"grammar": grammar, "target": target, "seed": 1, **values})


@pytest.fixture(scope="module")
def machine():
    return Machine("cpu", 1, "resources")


@pytest.fixture(scope="module")
def fit(tmp_path_factory, machine):
    """A fit with two objects a scene."""
    folder = tmp_path_factory.mktemp("fit")
    grammar = write_grammar(folder / "grammar.json")
    values = {"grammar": grammar, "target": {"grammar": grammar}, "seed": 1}
    values |= {"renderer": str(ROOT / "tests/discs.py"), "stage": {"image_size": 24}}
    intervals = {"object1.x": [38.0, 42.0], "object2.x": None}
    return write_fit(folder / "fit", Experiment.model_validate(values), machine, intervals)


def make(folder, fit, machine, **values):
    """Make a data set into folder / set, from folder / work, and return it with what was said."""
    lines, made = [], Datasets.model_validate({**MADE, **values})
    make_dataset("mine.seed1", fit, made, machine, folder / "work", folder / "set", lines.append)
    return FittedSet(folder / "set"), lines


@pytest.fixture(scope="module")
def made(tmp_path_factory, fit, machine):
    """A data set to look at only."""
    return make(tmp_path_factory.mktemp("made"), fit, machine)[0]


def contents(folder):
    """Return the bytes of all files of a folder by name."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


# The data set


def test_labels_are_those_of_the_picture(made):
    assert made.classes == ["disc", "square"]
    assert made.manifest["units"]["object2.x"] == "%"
    seen = hidden = 0
    for n, sample in enumerate(made.samples()):
        assert sample.key == f"mine-3-{n:08d}"
        assert sample.image.shape == (SIZE, SIZE, 3)
        first, second = sample.annotation["objects"]
        instances = made.instances(sample)
        assert [o["label"] for o in (first, second) if o["visible"]] == [i.label for i in instances]
        for instance in instances:
            left, top, width, height = instance.box
            inside = np.zeros_like(instance.mask)
            inside[top : top + height, left : left + width] = True
            assert not (instance.mask & ~inside).any()
            assert instance.mask[top].any() and instance.mask[:, left].any()
        for described in (first, second):
            mask = sample.mask == described["number"]
            assert mask.mean() == pytest.approx(described["visible"], abs=1e-5)
            metres = sample.depth[mask] * sample.annotation["depth_scale"] / 1000
            assert metres == pytest.approx(BEHIND - 0.25 * described["number"], abs=1e-4)
            outline = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
            assert described["at_edge"] == outline.any()
            full = sample.full_masks[described["number"] - 1]
            assert (full & (sample.mask < described["number"]) == 0).all()
            assert (mask & ~full).sum() == 0
            assert described["visibility"] == pytest.approx(
                mask.sum() / max(full.sum(), 1), abs=1e-5
            )
            hidden += 0 < described["visibility"] < 1
        whole = not second["at_edge"]  # it lies over the first
        if whole and second["visible"]:
            seen += 1
            row, column = (np.nonzero(sample.mask == 2)[axis].mean() + 0.5 for axis in (0, 1))
            assert column / SIZE * 100 == pytest.approx(second["attributes"]["x"], abs=1.5)
            assert row / SIZE * 100 == pytest.approx(second["attributes"]["y"], abs=1.5)
    assert seen > 5
    assert hidden > 2


def test_card_and_summary_say_what_there_is(made):
    summary, card = read_json(made.folder / "summary.json"), (made.folder / "README.md").read_text()
    assert summary["images"] == IMAGES
    assert summary["objects"] == sum(summary["classes"].values()) == 2 * IMAGES
    assert 0 < summary["objects_seen"] <= 2 * IMAGES
    words = ("Converged: it is a test.", "`mine.seed1`", "'discs'", "| object1.x |", "38 to 42")
    for word in words:
        assert word in card
    assert np.asarray(Image.open(made.folder / "sheet.png").convert("L")).std() > 20
    assert made.damaged() == []


def test_an_image_depends_on_its_number_alone(made, fit, machine, tmp_path):
    other, _ = make(tmp_path, fit, Machine("cpu", 2, machine.cache), images=10, shard_size=3)
    assert list(other.encoded()) == list(made.encoded())[:10]
    other, _ = make(tmp_path / "seed", fit, machine, images=2, seed=4)
    assert next(other.encoded()).jpg != next(made.encoded()).jpg


def test_widening_spreads_by_the_error_of_the_mean(fit, machine):
    read = Fit.read(fit)
    experiment = read.experiment
    grammar, spread = experiment.read_grammar(experiment.grammar), {}
    with machine.renderer(experiment, print) as renderer:
        for widen in (0, 1, 8):
            scenes = FittedScenes(read, grammar, renderer, 0, widen)
            drawn, layout = scenes.take(np.arange(2000)), scenes.layout
            x = layout.features.index("x")
            of_object = (layout.node_keys.index(f"object{n}") for n in (1, 2))
            spread[widen] = [drawn.values()[:, node, x].std() for node in of_object]
    assert spread[0][1] == spread[8][1]  # the fit has no interval of it
    error = 4 / 3.92
    for widen in (1, 8):
        expected = np.hypot(spread[0][0], widen * error)
        assert spread[widen][0] == pytest.approx(expected, rel=0.05)


def test_a_fit_without_intervals_is_not_narrower_than_the_prior(fit):
    read = Fit.read(fit)
    row = {"prior": {"mean": 1.0, "std": 0.5}, "generated": {"mean": 1.2, "std": 0.3}}
    wide = {"prior": {"mean": 1.0, "std": 0.2}, "generated": {"mean": 1.2, "std": 0.3}}
    layout = read.experiment.read_grammar(read.experiment.grammar).layout
    entries = layout.entries()[:2]
    rows = {layout.entry_name(*e): r for e, r in zip(entries, (row, wide), strict=True)}
    read = replace(read, summary=read.summary | {"attributes": rows})

    def uncertainty(fit):
        return [fit.uncertainty(layout)[e] * layout.maximum[e] for e in entries]

    assert uncertainty(read) == pytest.approx([0.4, 0], abs=1e-6)
    row["generated"]["mean_95"] = [1.1, 1.3]
    assert uncertainty(read) == pytest.approx([0.2 / 3.92, 0], abs=1e-6)


def test_killed_and_resumed_ends_with_the_same_bytes(fit, machine, tmp_path):
    values, work = {"images": 120, "shard_size": 8}, tmp_path / "work"
    run = get_context("fork").Process(target=make, args=(tmp_path, fit, machine), kwargs=values)
    run.start()
    while run.is_alive() and len(list(work.glob("shard-*.json"))) < 2:
        time.sleep(0.001)
    run.kill()
    run.join()
    assert run.exitcode == -signal.SIGKILL
    assert not (tmp_path / "set").exists()
    resumed, lines = make(tmp_path, fit, machine, **values)
    there = int(lines[0].removesuffix(" of 15 shards are there and intact"))
    assert 2 <= there < 15
    made, _ = make(tmp_path / "whole", fit, machine, **values)
    assert contents(resumed.folder) == contents(made.folder)
    # A damaged shard is found, and made again.
    os.truncate(resumed.shards[1], 1000)
    assert resumed.damaged() == ["shard-00001.tar"]
    again, lines = make(tmp_path, fit, machine, **values)
    assert lines[0] == "14 of 15 shards are there and intact"
    assert contents(again.folder) == contents(made.folder)


@pytest.mark.parametrize(
    ("farthest", "scale"), [(0.5, 0.1), (6.5, 0.1), (60.0, 1.0), (50_000.0, 1000.0)]
)
def test_depth_is_kept_to_half_a_step(farthest, scale):
    depth = np.linspace(0.2, farthest, 64, dtype=np.float32).reshape(8, 8)
    depth[0, 0], depth[0, 1] = 0, np.inf
    steps, millimetres = depth_steps(depth)
    assert millimetres == scale
    assert (steps[0, :2] == 0).all()
    seen = np.abs(steps * millimetres / 1000 - depth)[np.isfinite(depth)]
    assert seen.max() <= scale / 2000 * 1.01 + farthest * 1e-6


# What cannot be


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({"sampels": 4}, ["datasets.stage.sampels", "'samples'"]),
        ({"image_size": 4}, ["datasets.stage.image_size", "got 4"]),
    ],
)
def test_a_stage_that_the_renderer_has_not_is_refused_by_key(stage, words):
    with pytest.raises(UserError) as error:
        experiment_with_stage(experiment_of(), Datasets(stage=stage))
    assert all(word in str(error.value) for word in words)


def test_a_renderer_that_places_in_pixels_keeps_its_size():
    experiment = experiment_of("mnist_rot", renderer="digits", stage={"image_size": 32})
    with pytest.raises(UserError, match=r"datasets.stage.image_size: 64, but the renderer"):
        experiment_with_stage(experiment, Datasets(stage={"image_size": 64}))
    assert experiment_with_stage(experiment, Datasets()).stage.image_size == 32


def test_results_that_are_not_whole_are_named(fit, tmp_path):
    with pytest.raises(UserError, match=r"nothing: these are no whole results .* --force"):
        Fit.read(tmp_path / "nothing")


def test_without_masks_there_are_images_classes_and_attributes(machine, tmp_path):
    renderer = str(ROOT / "tests/maskless.py")
    experiment = experiment_of(renderer=renderer, stage={"image_size": 24})
    fit = write_fit(tmp_path / "fit", experiment, machine, {"yaw": None})
    made, _ = make(tmp_path, fit, machine, stage={}, images=3)
    for sample in made.samples():
        assert sample.mask is None
        assert sample.annotation["class"] == "a"
        yaw = sample.annotation["objects"][0]["attributes"]["yaw"]
        assert abs(int(sample.image[0, 0, 0]) - yaw % 200) < 4
    assert "The renderer gives no masks" in (made.folder / "README.md").read_text()
    for output_format in FORMATS:
        with pytest.raises(UserError, match=r"no masks.* which an export to .* needs"):
            export(made, output_format, tmp_path / "export")
        assert not (tmp_path / "export").exists()
    with pytest.raises(UserError, match=r"'mine' has no masks.*it has images only"):
        check_exportable("mine", experiment, "coco")


# Exports


def test_pycocotools_reads_the_export(made, tmp_path):
    from pycocotools.coco import COCO  # noqa: PLC0415

    export_coco(made, tmp_path / "coco")
    coco = COCO(tmp_path / "coco/annotations.json")
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == made.classes
    assert coco.dataset["licenses"][0]["name"] == made.manifest["licence"]
    assert len(coco.imgs) == IMAGES
    assert len(coco.anns) == read_json(made.folder / "summary.json")["objects_seen"]
    for number, sample in zip(coco.getImgIds(), made.samples(), strict=True):
        assert number < 2**53
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=number))
        for annotation, instance in zip(annotations, made.instances(sample), strict=True):
            assert (coco.annToMask(annotation) == instance.mask).all()
            assert annotation["category_id"] == instance.label + 1


def covered(polygon, height, width):
    """Return the pixels whose centre is inside a polygon [n, 2], by even and odd crossings."""
    y, x = np.mgrid[:height, :width] + 0.5
    inside = np.zeros((height, width), bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


@settings(deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_polygons_cover_exactly_the_mask(mask):
    loops = outlines(mask)
    assert bool(loops) == mask.any()
    if loops:
        assert (covered(joined(loops), *mask.shape) == mask).all()


def test_yolo_export_keeps_the_rules_of_its_format(made, tmp_path):
    export_yolo(made, tmp_path / "yolo")
    samples = {sample.key: sample for sample in made.samples()}
    for kind in ("detection", "segmentation"):
        folder = tmp_path / "yolo" / kind
        described = yaml.safe_load((folder / "data.yaml").read_text())
        assert described["names"] == dict(enumerate(made.classes))
        found = []
        for part in ("train", "val"):
            images = sorted((folder / described[part]).iterdir())
            found += [image.stem for image in images]
            assert len(images) == {"train": IMAGES - 2, "val": 2}[part]
            for path in images:
                sample = samples[path.stem]
                assert (np.asarray(Image.open(path)) == sample.image).all()
                text = path.parent.parent.parent / "labels" / part / f"{path.stem}.txt"
                lines = text.read_text().splitlines()
                instances = made.instances(sample)
                for line, instance in zip(lines, instances, strict=True):
                    label, *numbers = line.split()
                    shares = np.array(numbers, float)
                    assert described["names"][int(label)] == made.classes[instance.label]
                    assert ((shares >= 0) & (shares <= 1)).all()
                    if kind == "detection":
                        x, y, width, height = shares * SIZE
                        box = [x - width / 2, y - height / 2, width, height]
                        assert np.allclose(box, instance.box, atol=1e-3)
                    else:
                        corners = (shares * SIZE).reshape(-1, 2).round(3)
                        assert (covered(corners, SIZE, SIZE) == instance.mask).all()
        assert sorted(found) == sorted(samples)
