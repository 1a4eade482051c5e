"""The diagonal Fisher information of a probe network's filters.

Source: Achille et al., "Task2Vec: Task Embedding for Meta-Learning" (ICCV 2019). Section 2:
F = E over images x of the task and labels y drawn from the model p_w(y|x) of the squared
derivative of log p_w(y|x) by each weight; section 3: only weights of the feature extractor,
with the classifier fitted to the task; one number a filter, the mean over its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.func import functional_call

from simtailor.seeds import generator
from simtailor.task2vec.layers import Call, LayerCalls, squared_gradients
from simtailor.task2vec.probe import Head, Probe
from simtailor.task2vec.settings import Task2Vec, Variational

BLOCK = 128  # draws between two looks at the precision
FEWEST_BLOCKS = 4
KEPT = 2**26  # numbers of squared gradients that are kept, 256 MB
PLAIN = 0.1  # share of draws that go by the model's probability alone
SMALL_VARIANCE = 1e-12  # of a prior
FIRST_LOG_VARIANCE = -4.0  # of the noise, in units of the prior's


@dataclass(frozen=True, eq=False)
class FisherEstimate:
    """The Fisher information, filter by filter.

    Attributes:
        values: float32 [F], the layers in the network's order.
        layers: number of filters by the name of their parameter; their sum is F.
        skipped: parameters that no supported function uses.
        draws: pairs of image and label.
        relative_error: estimated norm of the error over the norm of the values; None where the
            method or too few draws do not tell.
    """

    values: np.ndarray
    layers: dict[str, int]
    skipped: list[str]
    draws: int
    relative_error: float | None


def monte_carlo(
    probe: Probe,
    head: Head,
    images: np.ndarray,
    settings: Task2Vec,
    seed: int,
    report: Callable[[str], None],
    features: torch.Tensor | None = None,
) -> FisherEstimate:
    """Estimate by exact gradients of single images, until the precision is reached.

    Pairs of image and label are drawn with a probability in proportion to p(y|x) times the
    squared gradient of log p(y|x) by the features, known from the cached features, and are
    weighted for it: so the estimate is the one with labels drawn from the model, but its
    variance does not hang on rare labels. A tenth goes by p(y|x) alone, which bounds the
    weights. Each block of draws is spread evenly over all pairs (systematic sampling), and
    falls between the ones before (van der Corput's sequence), so that all together are spread
    as well; the relative error, estimated as if blocks knew nothing of each other, is an
    upper bound.

    Args:
        images: uint8 [N, H, W, 3].
        features: of the images, float32 [N, D], where they are at hand.
    """
    features = probe.features(images) if features is None else features
    chances, weights = _proposal(features, head)
    squares = SquaredGradients(probe, head, images)
    random = generator(seed, "task vector")
    order, start = random.permutation(len(images)), random.random()
    blocks: list[np.ndarray] = []
    error = np.inf
    while len(blocks) * BLOCK < settings.most_draws:
        offset = (start + _van_der_corput(len(blocks))) % 1
        drawn, labels = _systematic(chances[order], BLOCK, offset)
        chosen = order[drawn]
        factors = weights[chosen, labels]
        blocks.append(squares.mean(chosen, labels, factors))
        error = _relative_error(blocks)
        if len(blocks) >= FEWEST_BLOCKS and error <= settings.precision:
            break
        if len(blocks) % 8 == 0:
            report(f"{len(blocks) * BLOCK} draws: relative error {error:.3f}")
    values = np.mean(blocks, 0)
    told = error if np.isfinite(error) else None  # too few blocks to tell
    return FisherEstimate(
        values.astype(np.float32), squares.layers, squares.skipped, len(blocks) * BLOCK, told
    )


class SquaredGradients:
    """Squared gradients of log p(y|x), a filter a number.

    The same few images and labels are drawn again and again where the classifier is sure of
    most; theirs are computed once.

    Args:
        probe: the feature extractor, whose filters these are.
        head: the classifier.
        images: uint8 [N, H, W, 3].
    """

    def __init__(self, probe: Probe, head: Head, images: np.ndarray) -> None:
        self.layers: dict[str, int] = {}
        self.skipped: list[str] = []
        self._probe, self._head, self._images = probe, head, images
        self._known: dict[tuple[int, int], np.ndarray] = {}

    def mean(self, chosen: np.ndarray, labels: np.ndarray, factors: np.ndarray) -> np.ndarray:
        """Return the mean over draws of the factor times the squared gradient: float64 [F].

        Args:
            chosen: int64 [n], indices of images, one a draw; labels: int64 [n].
            factors: float [n].
        """
        shares: dict[tuple[int, int], float] = {}
        for image, label, factor in zip(chosen.tolist(), labels.tolist(), factors, strict=True):
            shares[image, label] = shares.get((image, label), 0) + factor / len(chosen)
        known = [pair for pair in shares if pair in self._known]
        absent = [pair for pair in shares if pair not in self._known]
        total = sum(shares[pair] * self._known[pair].astype(np.float64) for pair in known)
        for first in range(0, len(absent), self._probe.batch_size):
            pairs = absent[first : first + self._probe.batch_size]
            squares = self._squares(pairs)
            room = max(0, KEPT // squares.shape[1] - len(self._known))
            self._known.update(zip(pairs[:room], squares, strict=False))
            total = total + np.array([shares[pair] for pair in pairs]) @ squares
        return total

    def _squares(self, pairs: list[tuple[int, int]]) -> np.ndarray:
        """Return the squared gradients for pairs of image and label: [n, F]."""
        chosen, labels = np.array(pairs).T
        batch = self._probe.prepare(self._images[chosen])
        found: dict[str, torch.Tensor] = {}

        def hook(name: str, call: Call, output: torch.Tensor) -> torch.Tensor:
            def add(gradient: torch.Tensor) -> None:
                found[name] = found.get(name, 0) + squared_gradients(call, gradient, len(pairs))

            # The gradient goes as far as the first calls with a weight, to no weight and no
            # image. A copy, since the network may write over it.
            if not output.requires_grad:
                output = output.requires_grad_().clone()
            output.register_hook(add)
            return output

        logits = self._head(self._probe(batch, LayerCalls(self._probe.weights(), hook)))
        index = torch.from_numpy(labels).to(batch.device)[:, None]
        logits.log_softmax(1).gather(1, index).sum().backward()
        if not self.layers:
            names = self._probe.weights()
            self.layers = {name: found[name].shape[1] for name in names if name in found}
            self.skipped = [name for name in names if name not in found]
        return torch.cat([found[name] for name in self.layers], 1).cpu().numpy()


def _proposal(features: torch.Tensor, head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of drawing each pair, and the factor of its squared gradient.

    Both float64 [N, C]; the products of the two are p(y|x) / N.
    """
    chances = head(features).double().softmax(1)
    gram = (head.weight @ head.weight.T).double()
    # Of e_y - p, the gradient by the logits, through the classifier's weight.
    across = chances @ gram
    energy = gram.diagonal() - 2 * across + (across * chances).sum(1, keepdim=True)
    plain = chances / len(chances)
    preferred = plain * energy.clamp(min=0)
    preferred = preferred / preferred.sum().clamp(min=torch.finfo(torch.float64).tiny)
    drawn = (1 - PLAIN) * preferred + PLAIN * plain
    drawn = drawn / drawn.sum()
    return drawn.cpu().numpy(), (plain / drawn).nan_to_num(0.0).cpu().numpy()


def _systematic(chances: np.ndarray, count: int, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs with given probabilities, evenly spread over the rows.

    Args:
        chances: float64 [N, C], of sum 1.
        offset: of the first draw, in shares of the distance between two, [0, 1).

    Returns:
        Rows and columns, int64 [count] each.
    """
    ends = np.cumsum(chances)
    places = (offset + np.arange(count)) / count * ends[-1]
    drawn = np.minimum(np.searchsorted(ends, places, side="right"), chances.size - 1)
    return np.divmod(drawn, chances.shape[1])


def _van_der_corput(index: int) -> float:
    """Return the index's binary digits mirrored at the point: 0, 1/2, 1/4, 3/4, ..."""
    return sum(0.5 ** (place + 1) for place in range(index.bit_length()) if index >> place & 1)


def _relative_error(blocks: list[np.ndarray]) -> float:
    """Return the estimated norm of the mean's error over the mean's norm."""
    if len(blocks) < FEWEST_BLOCKS:
        return float("inf")
    variance = np.var(blocks, 0, ddof=1) / len(blocks)
    norm = float(np.linalg.norm(np.mean(blocks, 0)))
    return float(np.sqrt(variance.sum()) / norm) if norm else 0.0


def variational(
    probe: Probe,
    head: Head,
    images: np.ndarray,
    labels: np.ndarray,
    settings: Variational,
    seed: int,
) -> FisherEstimate:
    """Estimate by noise on the weights (section 2 of the paper, "Robust Fisher computation").

    Gaussian noise of one variance v a filter is added to the weights. The variances minimise
    the task's cross-entropy plus beta times the divergence of the noise from a prior of
    variance u, half the sum over the weights of v/u - log(v/u) - 1. To second order the noise
    adds half the sum of F v, so that at the optimum F = beta (1/v - 1/u). The temper beta is
    such that the noise adds ``added_loss`` there, half the number of weights times beta. The
    prior's variance is the layer's mean squared weight. Noise comes in pairs of opposite sign:
    what the loss does to first order, which tells nothing of F, cancels.

    Args:
        images: uint8 [N, H, W, 3]; labels: int64 [N].
    """
    weights = probe.weights()
    used = _used(probe, images[:2])
    layers = {name: len(weights[name]) for name in weights if name in used}
    prior = {n: float(weights[n].square().mean().clamp(min=SMALL_VARIANCE)) for n in layers}
    beta = 2 * settings.added_loss / sum(weights[name].numel() for name in layers)
    logs = {
        name: torch.full((size,), FIRST_LOG_VARIANCE, device=probe.device, requires_grad=True)
        for name, size in layers.items()
    }
    optimiser = torch.optim.Adam(logs.values(), settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
    noise = torch.Generator(probe.device).manual_seed(int(generator(seed, "noise").integers(2**31)))
    count = min(probe.batch_size, len(images))
    for step in range(settings.steps):
        chosen = generator(seed, "variational", step).choice(len(images), count, replace=False)
        batch = probe.prepare(images[np.sort(chosen)])
        targets = torch.from_numpy(labels[np.sort(chosen)]).to(probe.device)
        moves = {}
        for name, log in logs.items():
            weight = weights[name]
            draw = torch.randn(weight.shape, generator=noise, device=probe.device)
            spread = (prior[name] * log.exp()).sqrt()
            moves[name] = draw * spread.reshape(-1, *[1] * (weight.dim() - 1))
        loss = 0
        for sign in (1, -1):
            moved = {name: weights[name] + sign * move for name, move in moves.items()}
            logits = head(functional_call(probe.network, moved, (batch,)))
            loss = loss + torch.nn.functional.cross_entropy(logits, targets) / 2
        for name, log in logs.items():
            size = weights[name][0].numel()
            loss = loss + beta * size / 2 * (log.exp() - log - 1).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    values = [
        beta / prior[name] * ((-log).exp() - 1).clamp(min=0).detach() for name, log in logs.items()
    ]
    skipped = [name for name in weights if name not in layers]
    draws = settings.steps * count
    return FisherEstimate(torch.cat(values).cpu().numpy(), layers, skipped, draws, None)


def _used(probe: Probe, images: np.ndarray) -> set[str]:
    """Return the names of the parameters that supported functions use."""
    used: set[str] = set()

    def note(name: str, _: Call, output: torch.Tensor) -> torch.Tensor:
        used.add(name)
        return output

    with torch.no_grad(), LayerCalls(probe.weights(), note):
        probe.network(probe.prepare(images))
    return used
