"""The fast training equals a plain one, step by step, and does what it should."""

import numpy as np
import pytest
import torch

from simtailor.controller.policies.learned import LearnedScores
from simtailor.controller.policies.reinforce import (
    Draws,
    Networks,
    Problem,
    exploration_noise,
    initial_weights,
    learning_rate,
)
from simtailor.controller.settings import Reinforce

SMALL = Reinforce(
    hidden=12, epochs=16, batch_size=2, warmup_epochs=4, imitation_from=6, imitation_steps=2,
    learning_rate=0.02, weight_decay=0.01,
)  # fmt: skip


def small_problem(tasks=5, features=40):
    """Sets of a parameter with two and one with three values; one combination has no set."""
    rng = np.random.default_rng(3)
    vectors = rng.random((tasks, features))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    values = np.array([(a, b) for a in range(2) for b in range(3)][:-1])
    return Problem(vectors, rng.uniform(10, 30, (tasks, len(values))), values)


class PlainController(torch.nn.Module):
    """The published network, with one linear layer a head."""

    def __init__(self, problem, settings, seed):
        super().__init__()
        hidden, levels = settings.hidden, problem.levels
        widest = int(levels.max())
        self.layers = torch.nn.ModuleList(
            [torch.nn.Linear(problem.vectors.shape[1], hidden), torch.nn.Linear(hidden, hidden)]
        )
        self.heads = torch.nn.ModuleList([torch.nn.Linear(hidden, n) for n in levels])
        for layer, name in zip(self.layers, ("first", "second"), strict=True):
            self.fill(layer, *initial_weights(seed, name, hidden, layer.in_features))
        weights, biases = initial_weights(seed, "heads", len(levels) * widest, hidden)
        for number, head in enumerate(self.heads):
            rows = slice(number * widest, number * widest + head.out_features)
            self.fill(head, weights[rows], biases[rows])

    @staticmethod
    def fill(layer, weights, biases):
        layer.weight.data = torch.as_tensor(weights, dtype=torch.float64)
        layer.bias.data = torch.as_tensor(biases, dtype=torch.float64)

    def forward(self, inputs):
        for layer in self.layers:
            inputs = layer(inputs).relu()
        return [head(inputs).softmax(-1) for head in self.heads]


def plain_training(problem, settings, seed, index_defect):
    """Train by autograd and torch's optimiser, one task at a time where order matters."""
    model = PlainController(problem, settings, seed)
    optimiser = torch.optim.SGD(
        model.parameters(), lr=1.0, momentum=0.9, weight_decay=settings.weight_decay
    )
    vectors = torch.as_tensor(problem.vectors)
    known = {
        (task, tuple(row)): problem.rewards[task, place]
        for task in range(len(vectors))
        for place, row in enumerate(problem.values.tolist())
    }

    def reward(task, values):
        return known.get((task, tuple(values)), problem.rewards[task].mean())

    draws = Draws.of(seed, settings.epochs, len(vectors), len(problem.levels))
    memory = [{} for _ in vectors]
    for epoch in range(settings.epochs):
        for start in range(0, len(vectors), settings.batch_size):
            batch = draws.order[epoch, start : start + settings.batch_size]
            drawn = draws.uniform[epoch, start : start + settings.batch_size]
            imitate = settings.imitation_steps if epoch >= settings.imitation_from else 0
            for step in range(1 + imitate):
                outputs = model(vectors[batch])
                likeliest = [[int(o[i].argmax()) for o in outputs] for i in range(len(batch))]
                if step == 0:
                    noise = exploration_noise(settings, epoch)
                    noisy = []
                    for output in outputs:
                        rows = []
                        for row in output:
                            top = int(row.argmax())
                            taken = min(noise, 0.8 * float(row[top].detach()))
                            shift = torch.full_like(row, taken / (len(row) - 1))
                            shift[top] = -taken
                            rows.append(row + shift)
                        noisy.append(torch.stack(rows))
                    outputs = noisy
                    choices = [
                        [int((drawn[i, h] >= o[i].detach().cumsum(0)).sum())
                         for h, o in enumerate(outputs)]
                        for i in range(len(batch))
                    ]  # fmt: skip
                else:
                    choices = [list(max(memory[t], key=memory[t].get)) for t in batch]
                rewards, baselines = [], []
                for task, choice, top in zip(batch, choices, likeliest, strict=True):
                    rewards.append(reward(task, choice))
                    baselines.append(reward(task, top))
                    memory[task][tuple(choice)] = rewards[-1]
                    memory[task][tuple(top)] = baselines[-1]
                advantages = torch.tensor(rewards) - torch.tensor(baselines)
                loss = 0.0
                for i in range(len(batch)):
                    for j in range(len(batch)) if index_defect else [i]:
                        surprise = -sum(
                            torch.log(o[i, choices[j][h]]) for h, o in enumerate(outputs)
                        )
                        loss = loss + advantages[j] * surprise
                loss = loss / len(batch) ** (2 if index_defect else 1)
                for group in optimiser.param_groups:
                    group["lr"] = learning_rate(settings, epoch)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    return model


@pytest.mark.parametrize("index_defect", [False, True])
def test_fast_training_equals_a_plain_one_step_by_step(index_defect):
    problem = small_problem()
    seeds = (1, 4)
    networks = Networks(problem, SMALL, seeds, index_defect)
    networks.train()
    new = np.random.default_rng(9).random((1, problem.vectors.shape[1]))
    vectors = np.concatenate([problem.vectors, new / np.linalg.norm(new)])
    fast = networks.probabilities(networks.begin(vectors))
    for place, seed in enumerate(seeds):
        plain = plain_training(problem, SMALL, seed, index_defect)
        with torch.no_grad():
            outputs = plain(torch.as_tensor(vectors))
        for head, output in enumerate(outputs):
            ours = fast[place, :, head, : output.shape[1]]
            np.testing.assert_allclose(ours, output.numpy(), atol=2e-4)
    untrained = Networks(problem, SMALL, seeds)
    assert np.abs(fast - untrained.probabilities(untrained.begin(vectors))).max() > 0.1


def test_a_seed_trains_alike_alone_and_among_others():
    problem = small_problem()
    alone, among = (Networks(problem, SMALL, seeds) for seeds in ((2,), (0, 2, 5)))
    for networks in (alone, among):
        networks.train()
    vectors = problem.vectors
    np.testing.assert_allclose(
        alone.probabilities(alone.begin(vectors))[0],
        among.probabilities(among.begin(vectors))[1],
        atol=1e-5,
    )


def test_each_task_learns_its_own_best_set_only_without_the_index_defect():
    """Two tasks with opposite tastes: pairing them up teaches neither."""
    vectors = np.eye(4, 30)
    values = np.array([(0,), (1,)])
    rewards = np.array([[24.0, 20.0], [20.0, 24.0]] * 2)
    problem = Problem(vectors, rewards, values)
    settings = SMALL.model_copy(update={"epochs": 100, "batch_size": 4, "learning_rate": 0.01})
    found = {}
    for index_defect in (False, True):
        networks = Networks(problem, settings, range(4), index_defect)
        networks.train()
        choices = LearnedScores(networks, {}).scores(vectors).argmax(axis=-1)
        found[index_defect] = (choices == rewards.argmax(axis=1)).mean()
    assert found[False] == 1.0
    assert found[True] < 0.9
