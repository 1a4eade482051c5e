"""Simulated sets as files: shards, readers, resuming, damage, export."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from studio import small_catalogue, small_pack
from tracing import needs_embree

from simtailor.assets.arrays import write_pack
from simtailor.assets.pack import fetched_packages
from simtailor.assets.packs.sweethome3d import TABLE, read_table
from simtailor.config import load_configuration
from simtailor.datasets.shards import EncodedImage, image_key, read_shard, write_shard
from simtailor.errors import UserError
from simtailor.evaluate.inputs import check_task_names
from simtailor.files import read_json, write_json
from simtailor.simulation.inputs import set_names, settings_of_a_set, study_settings
from simtailor.simulation.machine import Machine
from simtailor.simulation.making import SetPlan, make_set, make_shards
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.pictures import preview
from simtailor.simulation.reading import SimulatedSet, check_sets
from simtailor.simulation.settings import Simulation

NAME = "1_1_1_1_1_3_1_1_1"
VALUES = {"images": 50, "image_size": 32, "samples": 1, "shard_size": 12, "seed": 3}


@pytest.fixture(scope="module")
def machine(kernel_cache):
    return Machine("cpu", 1, str(kernel_cache))


@pytest.fixture(scope="module")
def catalogue():
    return small_catalogue()


def make(folder, machine, catalogue, name=NAME, **values):
    """Make a set into folder / set, from folder / work, and return it and what was reported."""
    lines = []
    plan = SetPlan.create(name, {**VALUES, **values})
    make_set(plan, catalogue, machine, folder / "work", folder / "set", lines.append)
    return SimulatedSet(folder / "set"), lines


@pytest.fixture(scope="module")
def made(tmp_path_factory, machine, catalogue):
    """A set to look at only."""
    return make(tmp_path_factory.mktemp("made"), machine, catalogue)[0]


def contents(folder):
    """Return the bytes of all files of a folder by name."""
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


# The set


def test_a_set_holds_all_that_is_promised(made):
    manifest = made.manifest
    assert manifest["parameters"] == NAME
    assert manifest["seed"] == 3
    assert manifest["images"] == len(made) == 50
    assert manifest["image_size"] == 32
    assert made.classes == manifest["classes"] == ["mug", "basket", "brick"]
    assert "warp" in manifest["renderer"]
    assert [s["images"] for s in manifest["shards"]] == [12, 12, 12, 12, 2]
    images, labels = made.load()
    assert images.shape == (50, 32, 32, 3)
    assert labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [17, 17, 16]
    for n, sample in enumerate(made.samples()):
        assert sample.key == f"{NAME}-3-{n:08d}"
        annotation = sample.annotation
        assert made.classes[annotation["label"]] == annotation["class"]
        assert annotation["wordnet_id"].startswith("n")
        left, top, width, height = annotation["box"]
        inside = np.zeros_like(sample.mask)
        inside[top : top + height, left : left + width] = True
        assert not (sample.mask & ~inside).any()
        assert sample.mask[top].any() and sample.mask[:, left].any()
        assert sample.mask.mean() == pytest.approx(annotation["visible"], abs=1e-5)
        assert annotation["visible"] >= 0.005
    summary = read_json(made.folder / "summary.json")
    assert summary["images"] == 50
    assert summary["classes"] == 3
    sheet = np.asarray(Image.open(made.folder / "sheet.png").convert("L"))
    assert sheet.std() > 20
    assert made.damaged() == []


def test_shards_have_neither_times_nor_owners(made):
    with tarfile.open(made.shards[0]) as tar:
        for member in tar:
            assert (member.mtime, member.uid, member.gid) == (0, 0, 0)
            assert (member.uname, member.gname) == ("", "")


def test_images_depend_on_seed_and_number_alone(made, machine, catalogue, tmp_path):
    """Neither on the shard's size, nor on the threads, nor on how many images there are."""
    threads = Machine("cpu", 3, machine.cache)
    other, _ = make(tmp_path / "a", threads, catalogue, shard_size=35, images=40)
    assert list(other.encoded()) == list(made.encoded())[:40]
    other, _ = make(tmp_path / "b", machine, catalogue, images=12, seed=4)
    assert [e.jpg for e in other.encoded()] != [e.jpg for e in made.encoded()][:12]


# Shards and manifests as formats

FILES = st.builds(EncodedImage, key=st.just(""), jpg=st.binary(max_size=40),
                  mask=st.binary(max_size=40), annotation=st.binary(max_size=40))  # fmt: skip
FOLDER = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)


def keyed(images):
    return [
        EncodedImage(image_key("set", n), i.jpg, i.mask, i.annotation) for n, i in enumerate(images)
    ]


@FOLDER
@given(st.lists(FILES, max_size=5))
def test_a_shard_reads_back(tmp_path, images):
    path = tmp_path / "shard-00000.tar"
    write_shard(path, keyed(images))
    assert list(read_shard(path)) == keyed(images)
    first = path.read_bytes()
    write_shard(path, keyed(images))
    assert path.read_bytes() == first


@FOLDER
@given(st.lists(FILES, min_size=1, max_size=3), st.data())
def test_a_shard_cut_short_gives_fewer_images_or_an_error(tmp_path, images, data):
    path = tmp_path / "shard-00000.tar"
    write_shard(path, keyed(images))
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    try:
        read = list(read_shard(path))
    except UserError:
        return
    assert read == keyed(images)[: len(read)]


@FOLDER
@given(st.binary(max_size=2000))
def test_what_is_no_shard_is_refused(tmp_path, data):
    path = tmp_path / "shard-00000.tar"
    path.write_bytes(data)
    try:
        assert list(read_shard(path)) == []
    except UserError as error:
        assert str(path) in str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@FOLDER
@given(st.data())
def test_a_malformed_manifest_is_refused_by_key(made, tmp_path, data):
    manifest = dict(made.manifest)
    key = data.draw(st.sampled_from(["parameters", "seed", "images", "classes", "shards"]))
    manifest[key] = data.draw(JSON)
    write_json(tmp_path / "manifest.json", manifest)
    try:
        SimulatedSet(tmp_path)
    except UserError as error:
        assert str(tmp_path / "manifest.json") in str(error)


def test_a_shard_of_a_manifest_is_a_plain_file_name(made, tmp_path):
    shards = [{**made.manifest["shards"][0], "file": "../../shard-00000.tar", "images": 50}]
    write_json(tmp_path / "manifest.json", {**made.manifest, "shards": shards})
    with pytest.raises(UserError, match="is not a file name"):
        SimulatedSet(tmp_path)
    with pytest.raises(UserError, match="no simulated set can be read here"):
        SimulatedSet(tmp_path / "nothing")


# Resuming and damage


def test_only_damaged_shards_are_made_again(made, machine, catalogue, tmp_path):
    again, _ = make(tmp_path, machine, catalogue)
    assert contents(again.folder) == contents(made.folder)
    os.truncate(again.shards[1], again.shards[1].stat().st_size // 2)
    altered = bytearray(again.shards[3].read_bytes())
    altered[2000] ^= 1
    again.shards[3].write_bytes(altered)
    assert again.damaged() == ["shard-00001.tar", "shard-00003.tar"]
    with pytest.raises(UserError, match=r"shard-00001.tar, shard-00003.tar[^$]*--force"):
        check_sets([made.folder, again.folder])
    assert check_sets([made.folder]) == "5 shards are as they were made"
    intact = {n: again.shards[n].stat().st_ino for n in (0, 2, 4)}
    shutil.rmtree(again.folder)  # what Snakemake does before it runs a job again
    again, lines = make(tmp_path, machine, catalogue)
    assert lines[0] == "3 of 5 shards are there and intact"
    assert lines[1].startswith("24 images rendered")
    assert {n: again.shards[n].stat().st_ino for n in intact} == intact
    assert contents(again.folder) == contents(made.folder)


def test_damage_that_leaves_a_readable_tar_is_noticed_while_reading(machine, catalogue, tmp_path):
    cut, _ = make(tmp_path, machine, catalogue, images=6, shard_size=3)
    images = list(read_shard(cut.shards[0]))
    write_shard(cut.shards[0], images[:2])
    with pytest.raises(UserError, match=r"2 images, but manifest.json says 3; make it again"):
        cut.load()
    broken = replace(images[1], jpg=images[1].jpg[:200])
    write_shard(cut.shards[0], [images[0], broken, images[2]])
    with pytest.raises(UserError, match=f"image {NAME}-3-00000001 is damaged"):
        cut.load()
    with pytest.raises(UserError, match=f"image {NAME}-3-00000001 is damaged"):
        list(cut.samples())
    length = images[1].mask.index(b"IDAT") - 1
    mask = images[1].mask[:length] + b"\1" + images[1].mask[length + 1 :]
    with pytest.raises(SyntaxError):
        Image.open(io.BytesIO(mask)).load()
    write_shard(cut.shards[0], [images[0], replace(images[1], mask=mask), images[2]])
    with pytest.raises(UserError, match=f"image {NAME}-3-00000001 is damaged"):
        list(cut.samples())


def test_other_settings_make_all_shards_again(machine, catalogue, tmp_path):
    make(tmp_path, machine, catalogue, images=6, shard_size=3)
    _, lines = make(tmp_path, machine, catalogue, images=6, shard_size=3)
    assert lines == ["2 of 2 shards are there and intact"]
    other, lines = make(tmp_path, machine, catalogue, images=6, shard_size=3, image_size=40)
    assert lines[0].startswith("6 images rendered")
    assert other.load()[0].shape == (6, 40, 40, 3)


def test_another_encoder_or_code_makes_all_shards_again(catalogue, monkeypatch):
    plan = SetPlan.create(NAME, VALUES)
    recipes = {plan.recipe(catalogue, "renderer")}
    monkeypatch.setattr("simtailor.datasets.recipes.version", lambda name: f"another {name}")
    recipes.add(plan.recipe(catalogue, "renderer"))
    monkeypatch.setattr("simtailor.datasets.recipes._digest_of", lambda files: "other code")
    recipes.add(plan.recipe(catalogue, "renderer"))
    recipes.add(plan.recipe(catalogue, "another renderer"))
    assert len(recipes) == 4


@needs_embree
def test_no_set_holds_images_traced_by_two_packages(machine, catalogue, tmp_path, monkeypatch):
    """One that was begun with Embree is made anew where there is none, and says so."""
    first, _ = make(tmp_path, machine, catalogue, images=4, shard_size=2)
    assert "embreex" in first.manifest["renderer"]
    (tmp_path / "work" / "shard-00001.tar").unlink()
    monkeypatch.setattr("simtailor.render.raycast.tracers.embree_is_there", lambda: False)
    again, lines = make(tmp_path, machine, catalogue, images=4, shard_size=2)
    assert "embreex" not in again.manifest["renderer"]
    assert lines[0].startswith("4 images rendered")


def test_a_set_that_grows_or_shrinks_keeps_its_full_shards(machine, catalogue, tmp_path):
    make(tmp_path, machine, catalogue, images=8, shard_size=3)
    (tmp_path / "work/.shard-00001.staging-1.tar").write_text("of a killed run")
    larger, lines = make(tmp_path, machine, catalogue, images=12, shard_size=3)
    assert lines[0] == "2 of 4 shards are there and intact"
    whole, _ = make(tmp_path / "whole", machine, catalogue, images=12, shard_size=3)
    assert contents(larger.folder) == contents(whole.folder)
    smaller, lines = make(tmp_path, machine, catalogue, images=6, shard_size=3)
    assert lines == ["2 of 2 shards are there and intact"]
    assert len(smaller.load()[1]) == 6
    left = sorted(path.name for path in (tmp_path / "work").iterdir())
    assert left == [f"shard-0000{n}.{kind}" for n in (0, 1) for kind in ("json", "tar")]


def test_parts_share_the_shards_of_a_set(made, machine, catalogue, tmp_path):
    plan = SetPlan.create(NAME, VALUES)
    for part in range(3):
        lines = []
        make_shards(plan, catalogue, machine, tmp_path / "work", lines.append, part=part, parts=3)
        assert lines[-1].split()[0] == ("24", "14", "12")[part]
    assembled, lines = make(tmp_path, machine, catalogue)
    assert lines == ["5 of 5 shards are there and intact"]
    assert contents(assembled.folder) == contents(made.folder)


KILLED = """
import json, sys
from simtailor.simulation.catalogue import read_catalogue
from simtailor.simulation.machine import Machine
from simtailor.simulation.making import SetPlan, make_set
name, values, folder, cache = sys.argv[1:]
plan = SetPlan.create(name, json.loads(values))
catalogue = read_catalogue(f"{folder}/assets.safetensors", cache=cache)
make_set(plan, catalogue, Machine("cpu", 1, cache), f"{folder}/work", f"{folder}/set", print)
"""


@pytest.mark.slow
def test_killed_and_resumed_ends_with_the_same_bytes(machine, catalogue, tmp_path):
    values = {**VALUES, "images": 200, "image_size": 48, "samples": 2, "shard_size": 20}
    write_pack(small_pack(), tmp_path / "assets.safetensors")
    work, kills = tmp_path / "work", 0
    for wanted in (2, 5):
        run = subprocess.Popen(
            [sys.executable, "-c", KILLED, NAME, json.dumps(values), str(tmp_path), machine.cache]
        )
        until = time.monotonic() + 60
        while run.poll() is None and time.monotonic() < until:
            if len(list(work.glob("shard-*.json"))) >= wanted:
                break
            time.sleep(0.002)
        kills += run.poll() is None
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert not (tmp_path / "set").exists()
    assert kills == 2
    resumed, lines = make(tmp_path, machine, catalogue, **values)
    there = int(lines[0].split()[0])
    assert 5 <= there < 10
    whole, _ = make(tmp_path / "whole", machine, catalogue, **values)
    assert contents(resumed.folder) == contents(whole.folder)


# Settings and previews


def test_wrong_settings_are_refused_by_key(tmp_path):
    def refused(**values):
        with pytest.raises(UserError) as caught:
            load_configuration({"task2sim": {"simulation": values}}, [])
        return str(caught.value)

    assert "Did you mean 'pose_rot'" in refused(values={"pose_rott": [0, 1]})
    assert "materials: 4 is not an integer from 0 to 3" in refused(values={"materials": [4]})
    assert "blur: give one or several different values" in refused(values={"blur": [1, 1]})
    assert "shard_size" in refused(shard_size=0)
    with pytest.raises(UserError, match="names no simulated set"):
        SetPlan.create("1_2", VALUES)


def test_the_paper_study_has_the_classes_and_the_cores_that_it_needs():
    path = Path(__file__).parent.parent / "config/paper.yaml"
    values = yaml.safe_load(path.read_text())
    study = load_configuration(values, [path]).task2sim
    fetched_packages(study.simulation.packs)  # all exist
    assert study.simulation.packs[0] == "sweethome3d"
    categories = {name for name, _ in read_table(path.parent.parent / TABLE).values()}
    assert study.simulation.classes == len(categories) == 100
    assert len(set_names(study.simulation)) == 256
    assert study.pretrain.threads >= study.pretrain.processes * study.pretrain.workers
    check_task_names(study.evaluate, study.tasks.names)


def test_the_default_study_and_the_seed():
    configuration = load_configuration({"seed": 7}, [])
    study = study_settings(configuration)
    assert study.seed == 7
    names = set_names(study)
    assert len(names) == len(set(names)) == 8
    first = settings_of_a_set(study, names[0])
    other = study.model_copy(update={"values": {"blur": [1]}, "threads": 5, "parts": 4})
    assert settings_of_a_set(other, names[0]) == first  # a larger study makes no set again
    again = SetPlan.create(f"{names[0]}.seed9", settings_of_a_set(study, f"{names[0]}.seed9"))
    assert (str(again.parameters), again.seed) == (names[0], 9)  # other images of the same kind


def test_preview_shows_the_images_of_the_set(made, machine, catalogue, tmp_path):
    settings = Simulation(**VALUES)
    parameters = SimulationParameters.parse(NAME)
    preview(parameters, settings, catalogue, machine, tmp_path / "preview.png", count=10)
    sheet = np.asarray(Image.open(tmp_path / "preview.png").convert("RGB"))
    assert sheet.std() > 20
    first = np.asarray(Image.fromarray(sheet[28:124, 4:100]).resize((32, 32), Image.NEAREST))
    exact = next(made.samples()).image.astype(float)  # which has been through JPEG
    assert np.abs(first - exact).mean() < 12
