"""From a fit to the table of what it is worth: pictures of each source, guesses, results."""

import numpy as np
import pytest
from conftest import ROOT
from discs import write_grammar
from fits import write_fit
from PIL import Image

from simtailor.files import read_json
from simtailor.metasim.settings import Experiment
from simtailor.metasim.stage import Machine
from simtailor.worth.examples import Examples
from simtailor.worth.inputs import trial_of
from simtailor.worth.pictures import Sizes, make_examples
from simtailor.worth.regression import VALUES
from simtailor.worth.results import GUESSED, train_and_guess, write_results
from simtailor.worth.segmentation import MASKS
from simtailor.worth.settings import LabelledPhotographs, Worth, WorthTraining

SIZES = Sizes(images=24, test_images=20, image_size=32)


@pytest.fixture(scope="module")
def machine():
    return Machine("cpu", 1, "resources")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    grammar = write_grammar(tmp_path_factory.mktemp("grammar") / "grammar.json")
    values = {"grammar": grammar, "target": {"grammar": grammar}, "seed": 1}
    values |= {"renderer": str(ROOT / "tests/discs.py"), "stage": {"image_size": 40}}
    return Experiment.model_validate(values)


@pytest.fixture(scope="module")
def fit(tmp_path_factory, machine, experiment):
    intervals = {"object1.x": [20.0, 60.0], "object2.x": [40.0, 80.0]}
    return write_fit(tmp_path_factory.mktemp("fit") / "fit", experiment, machine, intervals)


def make(folder, machine, fit, trial, kind="regression", sources=("prior", "fit", "real", "test")):
    files = {}
    for source in sources:
        files[source] = folder / f"{source}.npz"
        of_source = trial.of_source(source)
        make_examples(
            kind, source, fit, of_source, SIZES, 1.0, machine, files[source], lambda line: None
        )
    return files, {source: Examples.read(file) for source, file in files.items()}


def test_every_source_has_its_own_pictures_and_their_labels(tmp_path, machine, fit, experiment):
    trial = trial_of("regression", "discs", experiment, Worth())
    _, made = make(tmp_path, machine, fit, trial)
    names = ["object1.x", "object1.y", "object2.x", "object2.y"]
    assert [one["name"] for one in made["test"].about] == names
    assert [len(part) for part in made.values()] == [24, 24, 24, 20]
    assert made["prior"].images.shape == (24, 32, 32, 3)
    places = {source: part.labels[VALUES][:, 0] for source, part in made.items()}
    # The fit is the prior itself, widened in the places across.
    off = np.abs(places["fit"] - places["prior"]).max(0)
    assert off[0] > 1 and off[2] > 1
    assert not np.isclose(places["real"][:20], places["test"]).any()
    # The second object is drawn last: where its middle is, the picture is green or blue.
    for image, place in zip(made["test"].images, places["test"], strict=True):
        column, row = (place[2:] / 100 * 32).astype(int)
        if 0 <= column < 32 and 0 <= row < 32:
            assert image[row, column, 1] == 160


def test_from_examples_to_the_table(tmp_path, machine, fit, experiment):
    trial = trial_of("regression", "discs", experiment, Worth())
    files, made = make(tmp_path, machine, fit, trial)
    settings = WorthTraining(steps=2, batch_size=4)
    trained = tmp_path / "trained.npz"
    train_and_guess("regression", files["prior"], files["test"], settings, 0, None, trained, print)
    right = made["test"].labels[VALUES][:, 0]
    guesses = {"prior": [trained, trained]}
    for source, off in (("fit", 1.0), ("real", 0.5)):
        guesses[source] = [tmp_path / f"{source}.{seed}.npz" for seed in range(2)]
        for file in guesses[source]:
            np.savez(file, **{GUESSED: right + off})
    output = tmp_path / "results"
    write_results("regression", "discs", trial, guesses, files, output, print)
    summary = read_json(output / "summary.json")
    assert summary["sources"]["fit"]["object1.x"]["value"] == [1.0, 1.0]
    assert 0.8 < summary["closed"]["fit"]["object1.x"] < 1
    assert summary["closed"]["prior"]["object1.x"] is None
    assert len(summary["sentences"]) == 5
    text = (output / "README.md").read_text()
    assert "| object1.x (%) | the fit | 1 1 | 1 |" in text
    assert "20 pictures drawn from the target's own grammar" in text
    assert (output / "worth.png").is_file() and (output / "pictures.png").is_file()


def test_photographs_are_split_cut_and_labelled(tmp_path, machine, fit, experiment):
    folder = tmp_path / "photographs"
    folder.mkdir()
    lines = ["file,object2.y"]
    for number in range(14):
        pixels = np.full((50, 70, 3), 10 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{number + 0.5}")
    (folder / "labels.csv").write_text("\n".join(lines))
    labelled = LabelledPhotographs(folder=str(folder), train=["3", "4"])
    trial = trial_of("regression", "discs", experiment, Worth(experiments={"discs": labelled}))
    _, made = make(tmp_path, machine, fit, trial)
    assert made["prior"].labels[VALUES].shape[2] == 1
    assert made["real"].labels[VALUES][:, 0, 0].tolist() == [3.5, 4.5]
    assert made["real"].images[:, 0, 0, 0].tolist() == [30, 40]
    assert len(made["test"]) == 12 and made["test"].images.shape[1:] == (32, 32, 3)


def test_masks_say_which_class_each_pixel_shows(tmp_path, machine, fit, experiment):
    trial = trial_of("segmentation", "discs", experiment, Worth())
    assert [one["name"] for one in trial.about] == ["disc", "square"]
    _, made = make(tmp_path, machine, fit, trial, "segmentation", ("fit", "test"))
    for part in made.values():
        images, masks = part.images, part.labels[MASKS]
        assert set(np.unique(masks)) == {0, 1, 2}
        # Discs are drawn with a blue of 40, squares with 190; the ground is 60.
        for label, blue in ((0, 60), (1, 40), (2, 190)):
            assert (images[..., 2][masks == label] == blue).all()
