"""The gradient of the task: not zero, in the right direction, and what it is compared with."""

import json

import numpy as np
import pytest
import torch
from shapes import CLASSES, BarRenderer, bar_grammar

from simtailor.metasim.labels import LabelledImages, object_classes
from simtailor.metasim.settings import Experiment
from simtailor.metasim.target import render_target
from simtailor.metasim.task_loss import SAMPLERS, TaskLoss, stratified_normal, within_range
from simtailor.metasim.task_settings import Task
from simtailor.metasim.task_table import labelled_scenes
from simtailor.metasim.training import Trainer
from simtailor.metasim.transport import TransportGenerator
from simtailor.scene import Grammar
from simtailor.seeds import generator as random_generator

YAW = (1, 0)
NOISES = ("group", "scene")


def settings(**values) -> Task:
    return Task(network="digits", **{"scenes": 100, **values})


def transport(grammar: Grammar) -> TransportGenerator:
    return TransportGenerator(grammar.layout, grammar.sample(2000, np.random.default_rng(0)))


class KnownReward(TaskLoss):
    """A task whose reward is a known function of the images, in place of a network."""

    def __init__(self, values: Task, reward, seed: int = 0) -> None:
        nothing = LabelledImages(np.zeros((0, 16, 16, 3), np.uint8), np.zeros(0, np.int64))
        super().__init__(values, sorted(CLASSES), BarRenderer(), nothing, seed)
        self.known, self.network_seeds = reward, []

    def _reward(self, images, labels, network_seed):
        self.network_seeds.append(network_seed)
        return self.known(images, labels)


def place_reward(images: np.ndarray, labels: np.ndarray) -> float:
    """Higher the further right the bars are: about 1 for the right edge."""
    columns = np.arange(images.shape[2]) @ images[..., 0].sum(1, dtype=float).T
    return float((columns / images[..., 0].sum((1, 2))).mean() / images.shape[2])


def gradient(task: TaskLoss, grammar: Grammar, steps: int = 1) -> np.ndarray:
    """Return the mean gradient on the shifts of yaw and loc_x over some steps."""
    network = transport(grammar)
    for step in range(steps):
        graphs = grammar.sample(task.settings.scenes, random_generator(0, "graphs", step))
        task.step(network, graphs, 0, step).loss.backward()
    return network.shift.grad[1].numpy() / steps


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("baseline", ["other_groups", "moving_average"])
def test_gradient_agrees_with_a_known_reward(noise, baseline):
    # Many steps and much noise, for the sake of noise on single scenes.
    values = settings(noise=noise, baseline=baseline, noise_share=0.06, scenes=20)
    grammar = bar_grammar((25, 10))
    yaw, loc_x = gradient(KnownReward(values, place_reward), grammar, 80)
    # A shift moves the bar by so much of the picture, and the reward by as much.
    expected = float(transport(grammar).unit[1, 1])
    assert loc_x == pytest.approx(-expected, rel=0.45)
    assert abs(yaw) < 0.6 * expected


@pytest.mark.parametrize("noise", NOISES)
def test_unequal_rewards_give_a_gradient_and_equal_ones_none(noise):
    grammar = bar_grammar((25, 10))
    count = iter(range(8))
    unequal = gradient(KnownReward(settings(noise=noise), lambda *_: float(next(count))), grammar)
    assert (np.abs(unequal) > 1e-3).all()
    equal = gradient(KnownReward(settings(noise=noise), lambda *_: 0.7), grammar)
    np.testing.assert_allclose(equal, 0, atol=1e-4)


def test_published_way_of_sampling_has_no_gradient():
    """Of a sample that is left in the graph (rsample), and of a mean that it overwrites."""
    grammar = bar_grammar((25, 10))
    mean = transport(grammar)(grammar.sample(5, np.random.default_rng(0))).detach()
    mean.requires_grad_()
    normal = torch.distributions.Normal(mean, 0.02)
    for sample, zero in ((normal.rsample(), True), (normal.sample(), False)):
        (slope,) = torch.autograd.grad(normal.log_prob(sample).sum(), mean)
        assert (float(slope.abs().max()) < 1e-3) is zero
    for noise in NOISES:
        network = transport(grammar)
        own = network(grammar.sample(5, np.random.default_rng(0)))
        kept = own.detach().clone()
        random = np.random.default_rng(1)
        samples, logs = SAMPLERS[noise](network, own, settings(noise=noise), random)
        assert not samples.requires_grad
        assert torch.equal(own, kept)  # the sample is no view of the mean
        (slope,) = torch.autograd.grad(logs[0], network.shift)
        assert (slope[1].abs() > 1e-3).all()


def test_log_probability_of_scenes_is_that_of_a_normal_distribution():
    grammar = bar_grammar((0, 10))  # angles on both sides of the seam
    network, values = transport(grammar), settings(noise="scene", groups=3)
    mean = network(grammar.sample(40, np.random.default_rng(0))).detach().requires_grad_()
    samples, logs = SAMPLERS["scene"](network, mean, values, np.random.default_rng(1))
    normal = torch.distributions.Normal(mean, values.noise_share)
    for sample, log in zip(samples, logs, strict=True):
        (slope,) = torch.autograd.grad(log, mean, retain_graph=True)
        expected = normal.log_prob(sample) * network.mutable
        (expected,) = torch.autograd.grad(expected.sum(), mean, retain_graph=True)
        torch.testing.assert_close(slope, expected)
    inside = within_range(network, samples)
    assert float(inside.min()) >= 0
    assert float(inside.max()) <= 1
    assert float(samples.detach()[..., 1, 0].max()) > 1  # not wrapped before


def test_groups_move_and_stretch_as_a_whole_across_the_seam():
    grammar = bar_grammar((0, 10))
    network = transport(grammar)
    mean = network(grammar.sample(300, np.random.default_rng(0))).detach().requires_grad_()
    values = settings(spread_noise=0.3)
    samples, logs = SAMPLERS["group"](network, mean, values, np.random.default_rng(1))
    for axis, (node, feature) in enumerate([YAW, (1, 1)]):
        before, after = mean.detach()[:, node, feature], samples[:, :, node, feature]
        if axis == 0:
            before, after = (torch.remainder(v + 0.5, 1) for v in (before, after))
        shift, stretch = after.mean(1) - before.mean(), after.std(1) / before.std()
        straight = before.mean() + shift[:, None] + (before - before.mean()) * stretch[:, None]
        torch.testing.assert_close(after, straight, atol=2e-5, rtol=1e-4)
        # The slope of the log-probability: the noise over its width, shared by the scenes.
        for group in range(8):
            (slope,) = torch.autograd.grad(logs[group], mean, retain_graph=True)
            slope = slope[:, node, feature]
            expected = float(shift[group]) / values.noise_share**2
            assert float(slope.sum()) == pytest.approx(expected, rel=1e-2, abs=0.05)
            along = (slope * (before - before.mean())).sum()  # of the logarithm of the spread
            expected = float(stretch[group].log()) / values.spread_noise**2
            assert float(along) == pytest.approx(expected, rel=1e-2, abs=0.05)
    torch.testing.assert_close(samples[:, :, 0], mean.detach()[None, :, 0].expand(8, -1, -1))


def test_set_without_spread_has_a_gradient_on_its_location():
    task = KnownReward(settings(), place_reward)
    slope = gradient(task, bar_grammar((25, 0), (50, 0)))
    assert np.isfinite(slope).all()
    assert slope[1] < -0.03


def test_stratified_noise_is_normal_and_even():
    draws = stratified_normal(np.random.default_rng(0), 8, (500, 3)).numpy()
    assert draws.mean() == pytest.approx(0, abs=0.01)
    assert draws.std() == pytest.approx(1, abs=0.02)
    assert draws.mean(0).std() < 0.2  # of independent draws: 0.35
    assert abs(np.corrcoef(draws[0, :, 0], draws[0, :, 1])[0, 1]) < 0.15


def test_common_noise_has_the_clearer_gradient():
    """The reason for the default, with a reward that is as noisy as that of a network."""
    grammar, ratios = bar_grammar((25, 10)), {}
    for noise in NOISES:
        random = np.random.default_rng(0)
        task = KnownReward(
            settings(noise=noise, scenes=100),
            lambda *arguments: place_reward(*arguments) + random.normal(0, 0.005),  # noqa: B023
        )
        network = transport(grammar)
        slopes = []
        for step in range(15):
            graphs = grammar.sample(100, random_generator(0, "graphs", step))
            loss = task.step(network, graphs, 0, step).loss
            slopes.append(float(torch.autograd.grad(loss, network.shift)[0][1, 1]))
        ratios[noise] = -np.mean(slopes) / np.std(slopes)
    assert ratios["group"] > 2
    assert ratios["group"] > 2 * ratios["scene"]


def test_baseline_is_the_moving_average_of_the_steps_before():
    task = KnownReward(settings(baseline="moving_average", groups=2), None)
    rewards = np.array([[0.2, 0.4], [0.6, 0.8], [0.5, 0.5]])
    advantages = [task._advantages(row) for row in rewards]
    np.testing.assert_allclose(advantages[0], [-0.2, 0.2])  # nothing before: the other group
    np.testing.assert_allclose(advantages[1], [0.3, 0.5])
    np.testing.assert_allclose(advantages[2], [0.16, 0.16])  # 0.9 * 0.3 + 0.1 * 0.7 = 0.34


def test_baseline_of_the_other_groups():
    task = KnownReward(settings(groups=3), None)
    for _ in range(2):
        advantages = task._advantages(np.array([0.1, 0.2, 0.6]))
        np.testing.assert_allclose(advantages, [-0.3, -0.15, 0.45])


def test_all_groups_of_a_step_share_the_network_seed_and_steps_do_not():
    task = KnownReward(settings(groups=3, scenes=20), place_reward)
    gradient(task, bar_grammar((25, 10)), 2)
    seeds = task.network_seeds
    assert len(set(seeds[:3])) == len(set(seeds[3:])) == 1
    assert seeds[0] != seeds[3]


def real_task(values: Task) -> TaskLoss:
    target = bar_grammar((0, 10))
    names = object_classes(target)
    graphs = target.sample(100, random_generator(0, "target"))
    return TaskLoss(values, names, BarRenderer(), labelled_scenes(BarRenderer(), graphs, names), 0)


def test_task_network_turns_the_bars_towards_the_target():
    """The whole way: no analytic reward. The prior is 25 degrees off, the target at 0."""
    grammar = bar_grammar((25, 10))
    network, task = transport(grammar), real_task(settings(scenes=120))
    optimiser = torch.optim.Adam([network.shift, network.log_scale], lr=0.5)
    rewards = []
    for step in range(6):
        graphs = grammar.sample(120, random_generator(0, "graphs", step))
        result = task.step(network, graphs, 0, step)
        optimiser.zero_grad()
        result.loss.backward()
        optimiser.step()
        rewards.append(np.mean(result.rewards))
        assert result.renders == 8 * 120
    assert task.renderer.rendered == 6 * 8 * 120
    assert rewards[-1] > rewards[0] + 0.1
    moved = network.shift[YAW] * network.unit[YAW] * 360
    assert -35 < float(moved.detach()) < -10


@pytest.mark.slow
def test_epochs_of_the_task_find_what_the_discrepancy_cannot_see():
    """The mean brightness alone is compared, which does not tell how a bar is turned."""
    prior, target = bar_grammar((25, 10)), bar_grammar((0, 10))
    settings = Experiment(
        grammar="prior.json",
        target={"grammar": "target.json"},
        features={"pyramid": [1]},
        training={"epochs": 1, "search": {"rounds": 0}},
        task={"network": "digits", "epochs": 8, "learning_rate": 0.5, "scenes": 120},
        seed=0,
    )
    images = render_target(target, BarRenderer(), 200, 0)
    training = Trainer(settings, prior, BarRenderer(), images)
    progress = training.train(report=lambda _: None)
    rewards = progress.column("reward")[2:]
    before = progress.notes["reward_before_task"]
    assert progress.best > progress.notes["before_task"] == 1
    assert rewards[progress.best - 2] > before + 0.1
    moved = training.generator.shift[YAW] * training.generator.unit[YAW] * 360
    assert -35 < moved.item() < -10


def test_resumed_steps_have_the_same_bits():
    values = settings(groups=2, scenes=30, baseline="moving_average")
    grammar = bar_grammar((25, 10))

    def step(task: TaskLoss, number: int) -> tuple[list[float], torch.Tensor]:
        network = transport(grammar)
        graphs = grammar.sample(30, random_generator(0, "graphs", number))
        result = task.step(network, graphs, 1, number)
        return result.rewards, torch.autograd.grad(result.loss, network.shift)[0]

    whole = real_task(values)
    assert whole.state() == {}
    step(whole, 0)
    stored = json.loads(json.dumps(whole.state()))
    rewards, slope = step(whole, 1)
    resumed = real_task(values)
    resumed.load_state(stored)
    again, slope_again = step(resumed, 1)
    assert rewards == again
    assert torch.equal(slope, slope_again)
    assert resumed.state() == whole.state()
