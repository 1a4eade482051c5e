"""Task vectors are the Fisher information of the paper's definition, to rounding."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine as scipy_cosine
from scipy.stats import spearmanr
from torch import nn

from simtailor.errors import UserError
from simtailor.pretrain.backbone import Backbone, describe, write_backbone
from simtailor.pretrain.settings import Pretrain
from simtailor.seeds import generator
from simtailor.task2vec import fisher
from simtailor.task2vec.distances import cosine, symmetric
from simtailor.task2vec.fisher import SquaredGradients, monte_carlo, variational
from simtailor.task2vec.inputs import checked_probe
from simtailor.task2vec.probe import Head, Probe, fit_head, make_probe
from simtailor.task2vec.results import write_study
from simtailor.task2vec.settings import Task2Vec, Variational
from simtailor.task2vec.vectors import all_distances, collect_vectors, write_vector

CLASSES = 3


class Mixed(nn.Module):
    """Every kind of layer that has a vector, and one that has none."""

    def __init__(self):
        super().__init__()
        self.plain = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 12, 3, padding=2, dilation=2, groups=2)
        self.depthwise = nn.Conv2d(12, 12, (5, 3), stride=(2, 1), padding="valid", groups=12)
        self.same = nn.Conv2d(12, 12, 4, padding="same", groups=12, bias=False)
        self.groups = nn.GroupNorm(2, 12)
        self.point = nn.Conv2d(12, 10, 1)
        self.layer = nn.LayerNorm(10)
        self.linear = nn.Linear(10, 6)
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.layer.weight)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x):
        x = self.norm(self.plain(x)).relu_()
        x = self.grouped(x)
        x = self.depthwise(x).relu_()
        x = self.point(self.groups(self.same(x)))
        x = self.layer(x.permute(0, 2, 3, 1))  # [B, H, W, C], as of transformers
        return self.linear(x).tanh().mean((1, 2))


def small_probe(seed=0, network=None):
    torch.manual_seed(seed)
    network = network or Mixed()
    probe = Probe(network.double(), 16, (0.5,) * 3, (0.25,) * 3, batch_size=7)
    probe.prepare = lambda images, prepare=probe.prepare: prepare(images).double()
    return probe


def small_head(width=6, seed=0):
    random = torch.Generator().manual_seed(seed)
    weight = 2 * torch.randn(CLASSES, width, generator=random, dtype=torch.float64)
    return Head(weight, torch.zeros(CLASSES, dtype=torch.float64), 1.0, 1.0)


def small_images(count=10, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3)).astype(np.uint8)


def layers_of(probe):
    """Return the names of the parameters of ``Mixed`` that have a vector."""
    return [name for name in probe.weights() if name != "groups.weight"]


def brute_force(probe, head, image, label):
    """Return the squared gradient of one image by filter, from torch's own derivatives."""
    named = probe.weights()
    probe.network.requires_grad_(True)
    loss = head(probe.network(probe.prepare(image[None]))).log_softmax(1)[0, label]
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    probe.network.requires_grad_(False)
    return {n: g.square().flatten(1).mean(1) if g.dim() > 1 else g.square()
            for n, g in zip(named, gradients, strict=True) if g is not None}  # fmt: skip


def exact_fisher(probe, head, images, layers):
    """Return the Fisher information of the images: every label by its probability."""
    total = 0
    with torch.no_grad():
        chances = head(probe.features(images)).softmax(1)
    for image, row in zip(images, chances, strict=True):
        for label, chance in enumerate(row):
            squares = brute_force(probe, head, image, label)
            total = total + chance * torch.cat([squares[n] for n in layers]) / len(images)
    return total.numpy()


def test_squared_gradients_of_all_layers_equal_brute_force():
    probe, head, images = small_probe(), small_head(), small_images()
    chosen, labels = np.array([0, 3, 3, 9, 1, 3, 5, 6, 7]), np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])
    factors = np.linspace(0.1, 2, 9)
    squares = SquaredGradients(probe, head, images)
    found = squares.mean(chosen, labels, factors)
    expected = 0
    for i, label, factor in zip(chosen, labels, factors, strict=True):
        one = brute_force(probe, head, images[i], label)
        expected = expected + factor * torch.cat([one[n] for n in squares.layers]) / 9
    assert squares.skipped == ["groups.weight"]
    assert list(squares.layers) == layers_of(probe)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize(("kept", "passes"), [(2**20, 2), (0, 3)])
def test_what_is_drawn_again_is_computed_once_as_long_as_there_is_room(monkeypatch, kept, passes):
    monkeypatch.setattr(fisher, "KEPT", kept)
    probe, batches = small_probe(), []
    prepare = probe.prepare
    probe.prepare = lambda images: batches.append(len(images)) or prepare(images)
    squares = SquaredGradients(probe, small_head(), small_images())
    draws = np.array([0, 3, 3]), np.array([0, 1, 1])
    once = squares.mean(*draws, np.ones(3))
    np.testing.assert_allclose(squares.mean(*draws, np.ones(3)), once, rtol=1e-12)
    squares.mean(np.array([3, 4]), np.array([1, 1]), np.ones(2))
    assert len(batches) == passes
    assert batches[0] == 2


@pytest.mark.parametrize("name", ["resnet10t", "tf_mobilenetv3_small_minimal_100"])
def test_networks_of_timm_equal_brute_force(name):
    from simtailor.torchvision_compat import import_torchvision  # noqa: PLC0415

    import_torchvision()
    import timm  # noqa: PLC0415

    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0)
    for module in network.modules():  # timm starts residual branches at zero
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
    probe = small_probe(network=network)
    images = small_images(3)
    head = small_head(probe.features(images[:1]).shape[1])
    squares = SquaredGradients(probe, head, images)
    found = squares.mean(np.arange(3), np.arange(3), np.ones(3))
    assert not squares.skipped
    ones = [brute_force(probe, head, images[i], i) for i in range(3)]
    expected = sum(torch.cat([one[n] for n in squares.layers]) for one in ones) / 3
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-12 * float(expected.max()))


def test_drawing_gives_the_fisher_information_and_two_seeds_agree():
    probe, head, images = small_probe(), small_head(), small_images(20)
    settings = Task2Vec(precision=0.02, most_draws=20_000)
    first, second = (monte_carlo(probe, head, images, settings, s, print) for s in (0, 1))
    exact = exact_fisher(probe, head, images, first.layers)
    norm = np.linalg.norm(exact)
    assert first.relative_error <= 0.02
    for estimate in (first, second):
        assert np.linalg.norm(estimate.values - exact) / norm < 0.05
    assert np.linalg.norm(first.values - second.values) / norm < 0.05


def test_the_proposal_spares_draws(monkeypatch):
    probe, head, images = small_probe(), small_head(), small_images(20)
    settings = Task2Vec(precision=1e-9, most_draws=512)
    preferred = monte_carlo(probe, head, images, settings, 0, print)
    monkeypatch.setattr(fisher, "PLAIN", 1.0)  # labels drawn from the model as they are
    plain = monte_carlo(probe, head, images, settings, 0, print)
    assert plain.relative_error > 1.5 * preferred.relative_error


def test_draws_end_at_their_limit():
    settings = Task2Vec(precision=1e-6, most_draws=600)
    found = monte_carlo(small_probe(), small_head(), small_images(), settings, 0, print)
    assert found.draws == 640  # whole blocks
    assert found.relative_error > 1e-6


def test_the_variational_method_finds_the_same_filters():
    probe, images = small_probe(), small_images(60)
    probe.network.float()
    del probe.prepare
    probe.batch_size = 20
    random = torch.Generator().manual_seed(0)
    head = Head(torch.randn(CLASSES, 6, generator=random), torch.zeros(CLASSES), 1.0, 1.0)
    with torch.no_grad():
        chances = head(probe.features(images)).softmax(1)
    labels = torch.multinomial(chances, 1, generator=random)[:, 0].numpy()
    exact = exact_fisher(probe, head, images, (layers := layers_of(probe)))
    found = variational(probe, head, images, labels, Variational(steps=300, added_loss=0.01), 0)
    assert list(found.layers) == layers
    assert found.skipped == ["groups.weight"]
    # It is the Hessian at the task's labels, not quite the same as the Fisher information.
    assert spearmanr(found.values, exact).statistic > 0.6
    assert np.corrcoef(found.values, exact)[0, 1] > 0.85


@pytest.mark.parametrize("classes", [2, 5])
def test_the_classifier_gives_chances_that_fit(classes):
    rng = np.random.default_rng(0)
    labels = np.arange(300) % classes
    centres = rng.normal(size=(classes, 12))
    features = 1e3 * (centres[labels] + 0.7 * rng.normal(size=(300, 12))) + 5e3
    values = torch.tensor(features, dtype=torch.float32)
    head = fit_head(values, labels, classes, generator(0))
    chances = head(values).softmax(1).numpy()
    assert chances.shape == (300, classes)
    right = chances.argmax(1) == labels
    assert right.mean() > 0.9
    assert chances.max(1).mean() == pytest.approx(right.mean(), abs=0.05)


def test_distances_are_those_of_the_paper():
    values = np.random.default_rng(0).random((4, 50))
    values[:, 7] = 0  # a dead filter
    alive = np.delete(values, 7, 1)
    found = all_distances(values)["normalised"]
    total = alive[1] + alive[2]
    assert found[1, 2] == pytest.approx(scipy_cosine(alive[1] / total, alive[2] / total))
    assert (found == found.T).all()
    assert (np.diag(found) == 0).all()
    # A filter's scale does not count.
    assert symmetric(*[values * np.logspace(-6, 6, 50)] * 2) == pytest.approx(found)
    # Nor does, of the shape, a task's.
    scaled = values * np.array([[1], [1e3], [1], [1e-3]])
    assert all_distances(scaled)["shape"] == pytest.approx(all_distances(values)["shape"])
    assert cosine(values, values)[0, 3] == pytest.approx(scipy_cosine(values[0], values[3]))
    assert all_distances(np.zeros((2, 3)))["cosine"].tolist() == [[0, 1], [1, 0]]


def test_a_study_is_written_in_the_published_layout(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.random((2, 30))
    paths, facts = {}, {}
    for i, name in enumerate(["digits", "faces", "letters", "people"]):
        values = (base[i % 2] + 0.1 * rng.random(30)).astype(np.float32)
        found = fisher.FisherEstimate(values, {"conv.weight": 30}, [], 128, 0.01)
        paths[name], facts[name] = tmp_path / f"{name}.npz", {"draws": 128}
        write_vector(paths[name], found)
    write_study(paths, facts, tmp_path / "vectors.npz", tmp_path / "shown")
    with np.load(tmp_path / "vectors.npz", allow_pickle=False) as vectors:
        assert vectors.files == list(paths)
        assert vectors["faces"].dtype == np.float32
    rows = (tmp_path / "shown/distances.csv").read_text().splitlines()
    assert rows[0] == "task,other,shape,normalised,cosine"
    assert len(rows) == 1 + 4 * 3
    distance = {tuple(r.split(",")[:2]): float(r.split(",")[3]) for r in rows[1:]}
    assert distance["digits", "letters"] < 0.5 * distance["digits", "faces"]
    assert (tmp_path / "shown/normalised.png").stat().st_size > 5000


def test_vectors_of_two_networks_do_not_mix(tmp_path):
    for name, layer in (("a", "conv1"), ("b", "conv2")):
        found = fisher.FisherEstimate(np.ones(3, np.float32), {layer: 3}, [], 1, None)
        write_vector(tmp_path / f"{name}.npz", found)
    with pytest.raises(UserError, match=r"b\.npz: of another probe network"):
        collect_vectors({n: tmp_path / f"{n}.npz" for n in "ab"})


def test_a_backbone_of_the_workflow_can_be_the_probe(tmp_path):
    backbone = Backbone.random(Pretrain(image_size=32), 3)  # narrowed and pooled as by default
    weights = {name: w.contiguous() for name, w in backbone.network.state_dict().items()}
    description = describe(Pretrain(image_size=32), ["one"], "1_0_0_0_0_3_0_1_1", 3)
    write_backbone(tmp_path, weights, description)
    settings = Task2Vec(weights=str(tmp_path), image_size=32)
    probe = make_probe(settings, "cpu", tmp_path)
    images = small_images(2).repeat(2, 1).repeat(2, 2)
    torch.testing.assert_close(probe.features(images).numpy(), backbone.features(images))
    assert checked_probe(settings) == ([], [str(tmp_path / "model.safetensors")])


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"model": "resnet81", "weights": "random"}, "no model 'resnet81'"),
        ({"model": "resnet18", "weights": "package"}, "'package' is for model"),
        ({"model": "resnet18", "weights": "absent.pth"}, "absent.pth: no such file"),
    ],
)
def test_a_probe_that_cannot_be_had_is_refused_before_any_job(values, problem):
    with pytest.raises(UserError, match=f"task2sim.task2vec.*{problem}"):
        checked_probe(Task2Vec(**values))
