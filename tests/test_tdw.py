"""Simulated sets by ThreeDWorld's protocol, drawn by a stand-in for its build."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from simtailor.config import load_configuration
from simtailor.errors import UserError
from simtailor.render.standins.__main__ import write_stand_in
from simtailor.simulation import pictures
from simtailor.simulation.inputs import settings_of_a_set, version_of_sets
from simtailor.simulation.machine import Machine
from simtailor.simulation.making import SetPlan, make_set, make_shards
from simtailor.simulation.parameters import PARAMETER_NAMES, SimulationParameters
from simtailor.simulation.reading import SimulatedSet
from simtailor.simulation.settings import Simulation
from simtailor.simulation.simulators import simulator_of
from simtailor.simulation.tdw import records
from simtailor.simulation.tdw.machine import ThreeDWorldMachine
from simtailor.simulation.tdw.outputs import Answer, LostError
from simtailor.simulation.tdw.sampler import CENTRE, EYE, ShotSampler
from simtailor.simulation.tdw.settings import ThreeDWorld

NEEDED = {name: importlib.util.find_spec(name) for name in ("tdw", "zmq", "flatbuffers")}
needs_tdw = pytest.mark.skipif(
    None in NEEDED.values(), reason="the package tdw is not installed: SIMTAILOR_EXTRAS=tdw ./run"
)
ALL = "1_1_1_1_1_3_1_1_1"
VALUES = {"images": 24, "image_size": 32, "shard_size": 8, "seed": 3, "classes": 3}
DISCS = ("--drawing", "discs")


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """The stand-in, as an executable file."""
    return write_stand_in(tmp_path_factory.mktemp("build") / "TDW.x86_64", "tdw")


@pytest.fixture(scope="module")
def catalogue():
    return records.read_catalogue(ThreeDWorld(), VALUES["classes"])


def make(folder, stand_in, *arguments, name=ALL, images=24, parts=1, **tdw):
    """Make a set into folder / set, from folder / work, and return it and what was reported.

    With several parts it is drawn in parts first, and then put together.
    """
    settings = {"build": str(stand_in), "arguments": [*DISCS, *arguments], "timeout": 60, **tdw}
    values = {**VALUES, "images": images, "renderer": "tdw", "tdw": settings}
    plan, lines = SetPlan.create(name, values), []
    machine = Machine("cpu", 1, None)
    catalogue, machine = simulator_of(
        plan.settings, machine, "no file", folder / "job.log", lines.append, {}
    )
    for part in range(parts) if parts > 1 else ():
        make_shards(plan, catalogue, machine, folder / "work", lines.append, part=part, parts=parts)
    make_set(plan, catalogue, machine, folder / "work", folder / "set", lines.append)
    return SimulatedSet(folder / "set"), lines


@pytest.fixture(scope="module")
def made(build, tmp_path_factory):
    """A set to look at only."""
    return make(tmp_path_factory.mktemp("made"), build)[0]


def pixels(made):
    return [(image.jpg, image.mask, image.annotation) for image in made.encoded()]


def shots(catalogue, count=200, **values):
    parameters = replace(SimulationParameters(), **values)
    return ShotSampler(parameters, 0, catalogue, 60).sample(np.arange(count))


# What is asked for


@needs_tdw
@pytest.mark.parametrize("name", PARAMETER_NAMES)
def test_a_parameter_changes_its_own_attributes_alone(name, catalogue):
    on = dict.fromkeys(PARAMETER_NAMES, 1) | {"materials": 3}
    drawn = [shots(catalogue, 20, **values).attributes for values in (on, on | {name: 0})]
    belonging = {
        "backgr": {"sky", "camera_direction", "light_intensity_added"},
        "blur": {"f_number", "focus_distance"},
        "lighting_color": {"light_colour"},
        "lighting_dir": {"sun"},
        "lighting_intensity": {"light_intensity_added"},
        "materials": {"material"},
        "pose_cam": {"camera_offset"},
        "pose_rot": {"rotation"},
        "pose_scale": {"distance", "distance_factor", "focus_distance"},
    }
    first, second = drawn
    changed = {k for k in first if k not in second or not np.array_equal(first[k], second[k])}
    assert changed <= belonging[name]
    assert changed >= belonging[name] - {"light_intensity_added"}


@needs_tdw
def test_the_camera_is_aimed_in_every_image_and_the_view_stays(catalogue):
    """The published camera was not aimed again where the distance was fixed."""
    off, on = (shots(catalogue, backgr=value).scenes for value in (0, 1))
    for some in (off, on):
        seen = np.einsum("bji,bj->bi", some.camera, some.centres - EYE)
        np.testing.assert_allclose(seen, [[0, 0, np.linalg.norm(CENTRE - EYE)]] * 200, atol=1e-9)
    views = [np.swapaxes(some.camera, 1, 2) @ some.rotations for some in (off, on)]
    np.testing.assert_allclose(views[0], views[1], atol=1e-9)
    heights = (on.centres - EYE)[:, 1] / np.linalg.norm(CENTRE - EYE)
    assert np.abs(np.quantile(heights, [0.25, 0.5, 0.75]) - [-0.5, 0, 0.5]).max() < 0.2


@needs_tdw
def test_ranges_are_the_published_ones(catalogue):
    drawn = shots(catalogue, 1000, **dict.fromkeys(PARAMETER_NAMES, 1)).attributes
    suns = np.array([float(s.facts["sun_intensity"]) for s in catalogue.skies])[drawn["sky"]]
    assert (suns + drawn["light_intensity_added"] >= 0).all()
    blurred = drawn["f_number"] < 70
    assert 0.7 < blurred.mean() < 0.8
    for values, low, high in (
        (drawn["distance_factor"], 0.4, 1.5),
        (drawn["rotation"], -180, 180),
        (drawn["camera_offset"], -15, 15),
        (drawn["sun"], 0, 360),
        (drawn["light_colour"], 0.05, 1),
        (drawn["light_intensity_added"], -0.6, 0.6),
        (drawn["f_number"][blurred], 0.5, 1.2),
        ((drawn["focus_distance"] - drawn["distance"])[blurred], -1, 1),
    ):
        assert low <= values.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < values.max() <= high
    assert drawn["focus_distance"].min() >= 0.3


@needs_tdw
def test_records_say_what_can_be_had(tmp_path):
    free = records.read_catalogue(ThreeDWorld(), None)
    assert len(free.models) == 588
    assert all("tdw-public" in model.url for model in free.models)
    assert len({category.name for category in free.categories}) == len(free.categories)
    assert len(free.skies) == 43 and free.skies[0].name == "fish_hoek_beach_4k"
    assert len(free.materials) == 142 and free.materials[0].name == "cotton_natural_rough"
    everything = records.read_catalogue(ThreeDWorld(private_models=True), None)
    own = next(m for m in everything.models if "tdw-private" in m.url)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / own.name).touch()
    names = tmp_path / "names.txt"
    names.write_text(f"{own.name}\n")
    settings = ThreeDWorld(models=str(names), asset_bundles=str(tmp_path))
    (model,) = records.read_catalogue(settings, None).models
    assert model.url == (tmp_path / "models" / own.name).as_uri()
    names.write_text("chair_bily_arm\n")
    with pytest.raises(UserError, match=r"names.txt: .*no models chair_bily_arm. Did you mean"):
        records.read_catalogue(settings, None)


# The set


@needs_tdw
def test_a_set_is_made_by_rays_and_read_by_others(build, catalogue, tmp_path, kernel_cache):
    library = records.package_folder() / "metadata_libraries/models_core.json"
    cache = str(kernel_cache / "kernels")
    arguments = ["--drawing", "rays", "--records", str(library), "--cache", cache]
    made, lines = make(tmp_path, build, *arguments, images=9, timeout=300)
    assert "1.13.0.0, Unity stand-in" in lines[2]
    assert made.manifest["renderer"].startswith("ThreeDWorld 1.13.0.0, TDW.x86_64")
    assert made.classes == [c.name for c in catalogue.categories]
    for sample in made.samples():
        left, top, width, height = sample.annotation["box"]
        inside = np.zeros_like(sample.mask)
        inside[top : top + height, left : left + width] = True
        assert sample.mask.any() and not (sample.mask & ~inside).any()
        assert sample.annotation["visible"] >= 0.005
        slots = {m.name: len(m.slots) for m in catalogue.models}[sample.annotation["model"]]
        assert len(sample.annotation["attributes"]["material"]) == min(slots, 16)
    import webdataset  # noqa: PLC0415

    read = webdataset.WebDataset([str(s) for s in made.shards], shardshuffle=False).decode("pil")
    pairs = zip(read.to_tuple("jpg", "mask.png", "json"), made.samples(), strict=True)
    for (image, _, annotation), sample in pairs:
        assert (np.asarray(image) == sample.image).all() and annotation == sample.annotation


@needs_tdw
def test_images_depend_neither_on_others_nor_on_the_number_of_builds(made, build, tmp_path):
    beside, _ = make(tmp_path / "two", build, builds=2)
    assert pixels(beside) == pixels(made)
    few, _ = make(tmp_path / "few", build, images=10)
    assert pixels(few) == pixels(made)[:10]


@needs_tdw
def test_jobs_that_share_a_set_draw_it_as_one_does(made, build, tmp_path):
    """Each of two parts has its own build; putting the set together starts none."""
    shared, lines = make(tmp_path, build, parts=2)
    assert pixels(shared) == pixels(made)
    assert sum("is connected" in line for line in lines) == 2
    assert "3 of 3 shards are there and intact" in lines


@needs_tdw
def test_pictures_of_the_parameters_are_by_threedworld(build, tmp_path, monkeypatch):
    for name, value in {"OBJECTS": 2, "SIZE": 24, "MODELS_OF_A_CLASS": 2}.items():
        monkeypatch.setattr(pictures, name, value)
    tdw, lines = {"build": str(build), "arguments": list(DISCS)}, []
    settings = Simulation(renderer="tdw", classes=2, seed=3, tdw=tdw)
    catalogue, machine = simulator_of(
        settings, Machine("cpu", 1, None), "no file", tmp_path / "job.log", lines.append, {}
    )
    pictures.picture_parameters(settings, catalogue, machine, tmp_path / "parameters")
    names = {path.name for path in (tmp_path / "parameters").iterdir()}
    assert names == {*(f"{name}.png" for name in PARAMETER_NAMES), "classes.png", "summary.json"}
    summary = json.loads((tmp_path / "parameters/summary.json").read_text())
    assert summary["packs"] == ["threedworld"] and len(summary["models"]) == 2
    assert summary["skies"] == 43
    # One build for all, and the rows of a parameter differ: off above, on below.
    assert sum("is connected" in line for line in lines) == 1
    sheet = np.asarray(Image.open(tmp_path / "parameters/lighting_color.png"))
    off, on = np.split(sheet[28:, -24 - 28 :], [28])
    assert np.abs(off[:24].astype(int) - on[:24]).max() > 20


@needs_tdw
def test_a_set_leaves_nothing_behind_for_another(build, catalogue):
    """Light, lens and materials of one are not those of the next, as they are in a picture."""
    settings = ThreeDWorld(build=str(build), arguments=list(DISCS))
    lines = []
    machine, taken = ThreeDWorldMachine(settings, 1, None, lines.append), []
    with machine.studio(catalogue) as studio:
        for name in ("0_0_0_0_0_1_0_0_0", ALL, "0_0_0_0_0_1_0_0_0"):
            parameters = SimulationParameters.parse(name)
            taken.append(studio.take(parameters, 0, np.arange(1), image_size=24, samples=1).images)
    assert (taken[0] == taken[2]).all() and (taken[0] != taken[1]).any()
    assert sum("is connected" in line for line in lines) == 1  # one build for all


def damaged_answers():
    """Return answers with an image of 32 pixels in which something is wrong, by what is said."""
    from simtailor.render.standins.tdw import answers  # noqa: PLC0415  of the extra
    from simtailor.render.standins.tdw.drawing import encoded  # noqa: PLC0415

    frame = (7).to_bytes(4, "big")

    def image(size, file=lambda data: data):
        data = file(encoded(np.zeros((size, size, 3), np.uint8)))
        return answers.images("a", (size, size), [("_img", data, True), ("_mask", data, True)])

    whole = image(32)
    return {
        "does not end with the number of a frame": [whole, b"no frame"],
        "'imag' data that cannot be read": [whole[: len(whole) // 2], frame],
        "'imag' data that cannot be read: Unidentified": [image(32, lambda data: b"text"), frame],
        "'imag' data that cannot be read: OSError": [image(32, lambda data: data[:60]), frame],
        "16 x 16 pixels; asked for were 32 x 32": [image(16), frame],
        "no 'imag' where one was asked for, but vers": [answers.version("1", "2"), frame],
    }


@needs_tdw
def test_what_is_no_answer_is_told():
    for words, parts in damaged_answers().items():
        with pytest.raises(LostError, match=words):
            Answer(parts).picture(32)


RECOVERED = {
    "crash": "it was ended by SIGSEGV; the last that it printed: a crash, as asked for",
    "hang": "it gave no sign of life within 2 s",
    "slow": None,
    "resend": None,
    "malformed": "does not end with the number of a frame",
    "half_written": "'imag' data that cannot be read",
    "wrong_order": None,
    "quit": "it quits because of an error",
}


@needs_tdw
@pytest.mark.parametrize("fault", RECOVERED)
def test_after_a_fault_the_set_is_the_same(fault, made, build, tmp_path):
    """At the second image."""
    timeout = 2 if fault == "hang" else 60
    faulty, lines = make(
        tmp_path, build, "--fault", fault, "--at", "2", "--mark", str(tmp_path / "mark"),
        "--delay", "0.1", images=8, timeout=timeout,
    )  # fmt: skip
    assert (tmp_path / "mark").exists() or fault == "slow"
    assert pixels(faulty) == pixels(made)[:8]
    told = [line for line in lines if "starting it again" in line]
    assert len(told) == (RECOVERED[fault] is not None)
    if told:
        assert RECOVERED[fault] in told[0]


@needs_tdw
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("no_object", "lost 2 times at an image of the model '.*: it has no object where"),
        ("resend", "lost 2 times .*: it asked 10 times for the same commands"),
        ("exit", "no build of ThreeDWorld is ready: it ended; .*status 3; .*: no display"),
        ("version", "this build is version 1.8.23 of ThreeDWorld; needed is 1.13.x"),
    ],
)
def test_a_lasting_fault_ends_with_one_sentence(fault, words, build, tmp_path):
    with pytest.raises(UserError, match=words) as caught:
        make(tmp_path, build, "--fault", fault, images=8)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "set").exists()


@needs_tdw
def test_the_build_and_its_port_are_gone_with_a_killed_job_which_resumes(made, build, tmp_path):
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import test_tdw\n"
        "test_tdw.make(Path(sys.argv[2]), sys.argv[3])"
    )
    words = [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path), str(build)]
    job = psutil.Popen(words)
    until = time.monotonic() + 120
    while not list((tmp_path / "work").glob("shard-*.json")) and time.monotonic() < until:
        time.sleep(0.002)
    children = job.children(recursive=True)
    listening = [c for c in job.net_connections() if c.status == psutil.CONN_LISTEN]
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert len(children) == 2  # the build and what ends it
    assert [c.laddr.ip for c in listening] == ["127.0.0.1"]
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert not alive and len(gone) == 2
    assert not (tmp_path / "set").exists()
    resumed, lines = make(tmp_path, build)
    assert re.match(r"[12] of 3 shards are there and intact", lines[2])
    assert pixels(resumed) == pixels(made)


@needs_tdw
def test_a_build_that_is_started_by_hand(made, build, tmp_path):
    port = 20000 + os.getpid() % 20000
    words = [str(build), *DISCS, f"-port={port}"]
    own = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    by_hand, lines = make(tmp_path, build, images=8, build=None, port=port)
    assert any(f"start it now: ./TDW.x86_64 -port {port}" in line for line in lines)
    assert own.communicate(timeout=20)[0] == "the stand-in ends: as it was told\n"
    assert own.returncode == 0
    assert [image[:2] for image in pixels(by_hand)] == [image[:2] for image in pixels(made)][:8]
    assert by_hand.manifest["renderer"].endswith("started by hand")
    with pytest.raises(UserError, match=r"it does not connect within 0\.3 s"):
        make(tmp_path / "none", build, **{"build": None, "port": port, "start_timeout": 0.3})


# Planning


def test_without_the_package_one_paragraph_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(records.importlib.util, "find_spec", lambda name: None)
    settings = Simulation(renderer="tdw")
    with pytest.raises(UserError) as caught:
        version_of_sets(settings)
    assert "\n" not in str(caught.value)
    assert "SIMTAILOR_EXTRAS=tdw ./run" in str(caught.value)
    assert version_of_sets(Simulation()) == 2


def test_nothing_imports_the_package_before_it_draws():
    code = (
        "import sys, simtailor.simulation.simulators, simtailor.config; "
        "assert not {'tdw', 'zmq'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_wrong_keys_are_told(tmp_path):
    def refused(**tdw):
        with pytest.raises(UserError) as caught:
            load_configuration({"task2sim": {"simulation": {"renderer": "tdw", "tdw": tdw}}}, [])
        return str(caught.value)

    (tmp_path / "TDW.x86_64").touch()
    assert "task2sim.simulation.tdw.build: there is no file" in refused(build="nothing")
    assert "chmod +x" in refused(build=str(tmp_path / "TDW.x86_64"))
    assert "Did you mean 'builds'" in refused(bilds=2)
    assert "there is no folder" in refused(asset_bundles="nothing")


def test_waiting_longer_makes_no_set_anew(build):
    first = Simulation(renderer="tdw", tdw=ThreeDWorld(build=str(build)), seed=1)
    patient = ThreeDWorld(build=str(build), timeout=9, builds=4)
    other = first.model_copy(update={"tdw": patient})
    assert settings_of_a_set(other, ALL) == settings_of_a_set(first, ALL)
    assert "tdw" not in settings_of_a_set(Simulation(seed=1), ALL)


@needs_tdw
@pytest.mark.slow
def test_the_workflow_makes_a_set(project, build):
    tdw = {"build": str(build), "arguments": list(DISCS)}
    values = {**VALUES, "images": 6, "shard_size": 3, "parts": 2, "renderer": "tdw", "tdw": tdw}
    project.configure({}, task2sim={"simulation": values})
    project.make(f"results/task2sim/sets/{ALL}")
    assert len(SimulatedSet(project.folder / f"results/task2sim/sets/{ALL}")) == 6
    assert not (project.folder / "work/task2sim/assets.safetensors").exists()
    for part in range(2):
        log = project.folder / f"logs/task2sim/sets/{ALL}/part-{part}.tdw.log"
        assert log.read_text() == "the stand-in ends: as it was told\n"


def test_the_machine_names_the_build(build, monkeypatch):
    monkeypatch.setattr(records, "package_folder", Path)
    monkeypatch.setattr(records, "version", lambda name: "1.13.0.0")
    settings = ThreeDWorld(build=str(build), arguments=["-force-glcore42"])
    machine = ThreeDWorldMachine(settings, 1, None, print)
    assert machine.renderer.startswith("ThreeDWorld 1.13.0.0, TDW.x86_64 -force-glcore42, ")
