"""From a fit to the table of detectors: pictures of each source, real pictures, results."""

import numpy as np
import pytest
from conftest import ROOT
from fits import write_fit
from PIL import Image

from simtailor.detector.drawing import draw_pictures, read_pictures
from simtailor.detector.inputs import classes_of, drawn_for, labels_state, sources_of, tiles_of
from simtailor.detector.results import write_results
from simtailor.detector.settings import Detector, LabelledTiles
from simtailor.detector.stage import FOUND, WEIGHTS, read_tiles, training_pictures
from simtailor.errors import UserError
from simtailor.files import read_json, write_json
from simtailor.fitted.scenes import Fit, FittedScenes
from simtailor.metasim.settings import Experiment
from simtailor.metasim.stage import Machine

TILES = {"package": "deepforest", "train": ["first"], "test": ["second"], "scale": 0.5}
# Wide, so that what is drawn from the fit differs from the prior.
INTERVALS = {"density": [50.0, 250.0], "elevation": [30.0, 60.0]}
LOOKS = ["Foliage", "Ground", "Light", "Camera"]


@pytest.fixture(scope="module")
def machine():
    return Machine("cpu", 1, "resources")


@pytest.fixture(scope="module")
def tiles():
    return LabelledTiles(**TILES, stage={"image_size": 48, "frame_width": 24.0}, looks=LOOKS)


@pytest.fixture(scope="module")
def fit(tmp_path_factory, machine):
    values = {
        "grammar": str(ROOT / "config/grammars/tree_crowns.yaml"),
        "renderer": "forest",
        "target": {"grammar": str(ROOT / "config/grammars/tree_crowns.yaml")},
        "stage": {"image_size": 24, "frame_width": 12.0},
        "seed": 1,
    }
    folder = tmp_path_factory.mktemp("fit") / "fit"
    return write_fit(folder, Experiment.model_validate(values), machine, INTERVALS)


def write_tile(folder, name):
    Image.fromarray(np.full((96, 120, 3), 120, np.uint8)).save(folder / f"{name}.png")
    box = "<xmin>20</xmin><ymin>30</ymin><xmax>60</xmax><ymax>70</ymax>"
    (folder / f"{name}.xml").write_text(
        f"<a><object><name>Tree</name><bndbox>{box}</bndbox></object></a>"
    )


def test_a_source_keeps_of_the_prior_what_it_says(fit, machine):
    read = Fit.read(fit)
    grammar = read.experiment.read_grammar(read.experiment.grammar)
    drawn = {}
    with machine.renderer(read.experiment, print) as renderer:
        for name, as_prior in (("fit", ()), ("looks", LOOKS), ("prior", None)):
            scenes = FittedScenes(read, grammar, renderer, 0, 1.0, as_prior)
            drawn[name] = scenes.take(np.arange(40)).features
    nodes = np.array(grammar.layout.node_names)

    def moved(first, second, of):
        return float(np.abs(drawn[first][:, of] - drawn[second][:, of]).max())

    of_looks, forest = np.isin(nodes, LOOKS), nodes == "Forest"
    assert moved("looks", "prior", of_looks) == 0
    assert moved("fit", "prior", of_looks) > 0.05
    assert moved("looks", "fit", forest) == 0
    assert moved("fit", "prior", forest) > 0.05


def test_from_pictures_to_the_table(fit, machine, tiles, tmp_path):
    files = {}
    for source in ("prior", "fit"):
        files[source] = tmp_path / f"{source}.npz"
        draw_pictures(fit, source, tiles, 6, 1.0, machine, files[source], print)
    pictures = read_pictures(files["prior"])
    assert len(pictures) == 6 and pictures[0].image.shape == (48, 48, 3)
    assert sum(len(p.boxes) for p in pictures) > 0
    mixed = training_pictures(list(files.values()), tiles, tmp_path, 6, ["tree"])
    assert [np.array_equal(a.image, b.image) for a, b in zip(mixed, pictures, strict=True)] == [
        *[True] * 3,
        *[False] * 3,
    ]
    folder = tmp_path / "resources/packages/deepforest"
    folder.mkdir(parents=True)
    for name in ("first", "second"):
        write_tile(folder, name)
    real = training_pictures([], tiles, tmp_path / "resources", 6, ["tree"])
    assert real[0].boxes.tolist() == [[10, 15, 30, 35]]
    right = [{"boxes": [[10, 15, 30, 35]], "scores": [0.9], "labels": [0]}]
    wrong = [{"boxes": [[40, 15, 59, 35]], "scores": [0.9], "labels": [0]}]
    folders = {}
    for source, found in (("prior", wrong), ("fit", right), ("real", right)):
        of_source = tmp_path / f"{source}.0"
        of_source.mkdir()
        write_json(of_source / FOUND, found)
        (of_source / WEIGHTS).write_bytes(b"")
        folders[source] = [of_source]
    output = tmp_path / "results"
    args = (tiles, ["tree"], folders, files, tmp_path / "resources", output, print)
    write_results("tree_crowns", *args)
    summary = read_json(output / "summary.json")
    assert summary["closed"] == {"fit": 1.0} and summary["objects"] == 1
    text = (output / "README.md").read_text()
    assert "| the fit | 1.000 |" in text and "+1.000" in text
    assert (output / "misses.png").is_file() and (output / "pictures.png").is_file()


def test_what_cannot_work_is_told_while_planning():
    values = {
        "grammar": str(ROOT / "config/grammars/tree_crowns.yaml"),
        "renderer": "forest",
        "target": {"picture": {"file": "map.png", "edge": 100}},
    }
    experiment = Experiment.model_validate(values)
    known = Detector(experiments={"crowns": LabelledTiles(**TILES)})
    with pytest.raises(UserError, match=r"'crown'.*known: crowns"):
        tiles_of("crown", experiment, known)
    wrong = Detector(experiments={"crowns": LabelledTiles(**TILES, stage={"frame": 2})})
    with pytest.raises(UserError, match=r"stage\.frame.*frame_width"):
        tiles_of("crowns", experiment, wrong)
    wrong = Detector(experiments={"crowns": LabelledTiles(**TILES, looks=["Lights"])})
    with pytest.raises(UserError, match=r"looks.*'Lights'.*Light"):
        tiles_of("crowns", experiment, wrong)
    with pytest.raises(ValueError, match=r"'second' is in 'train', too"):
        LabelledTiles(**TILES | {"train": ["second"]})
    with pytest.raises(ValueError, match="either 'folder' or 'package'"):
        LabelledTiles(**TILES, folder="here")
    assert classes_of(experiment) == ["tree"]
    assert drawn_for("mixed") == ["prior", "fit"] and drawn_for("real") == []


def test_a_folder_of_ones_own_pictures(tmp_path):
    values = {
        "grammar": str(ROOT / "config/grammars/tree_crowns.yaml"),
        "renderer": "forest",
        "target": {"folder": str(tmp_path)},
    }
    experiment = Experiment.model_validate(values)

    def tiles(**keys):
        known = Detector(experiments={"mine": LabelledTiles(folder=str(tmp_path), **keys)})
        return tiles_of("mine", experiment, known), known

    with pytest.raises(UserError, match=r"no picture to try a detector on: none with.*NAME\.xml"):
        tiles()
    for name in ("a", "b", "c"):
        write_tile(tmp_path, name)
    Image.open(tmp_path / "b.png").save(tmp_path / "b.JPG", format="JPEG")
    with pytest.raises(UserError, match=r"one picture of this name.*several: b\.JPG, b\.png"):
        tiles()
    (tmp_path / "b.png").unlink()
    found, detector = tiles()
    assert "real" in detector.sources and "real" not in sources_of(detector, found)
    read = read_tiles("test", found, "nowhere", ["tree"])
    assert [len(picture.boxes) for picture in read] == [1, 1, 1]
    before = labels_state(found)
    (tmp_path / "c.xml").write_text((tmp_path / "c.xml").read_text().replace("70", "71"))
    assert labels_state(found) != before
    some, detector = tiles(train=["b"])
    assert sources_of(detector, some) == detector.sources
    assert len(read_tiles("test", some, "nowhere", ["tree"])) == 2
    with pytest.raises(UserError, match=r"mine\.test: .* has no boxes of 'bb'.* bb\.xml.*'b'"):
        tiles(test=["bb"])
