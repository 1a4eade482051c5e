"""Measure Task2Vec beside the public implementation's algorithm, re-implemented plainly.

The public algorithm squares the mean gradient of a batch of 64 images whose labels are drawn
from the model. Both get the same probe network, classifier and number of images.

Prints a Markdown table and writes it to task2vec.md beside this file.
"""

from __future__ import annotations

import argparse
import datetime
import time
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine
from torch import nn

from simtailor.seeds import generator
from simtailor.task2vec.fisher import monte_carlo
from simtailor.task2vec.probe import Head, Probe, fit_head
from simtailor.task2vec.settings import Task2Vec
from simtailor.torchvision_compat import import_torchvision

IMAGES, BATCH, CLASSES = 1000, 64, 10
FEW, FEW_DRAWS = 8, 1280  # of the comparison with brute force
SIZES = (32, 64)
LIMITS = {32: 4.5, 64: 20}  # CPU seconds for 1,000 images
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def make_probe(size: int) -> Probe:
    """Return a ResNet-18 whose residual branches are alive; no weights are fetched."""
    import_torchvision()
    import timm

    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
    return Probe(network, size, MEAN, STD, batch_size=BATCH)


def make_images(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the digits of scikit-learn, enlarged: uint8 [N, size, size, 3] and labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = torch.from_numpy(digits.images[:IMAGES, None].astype(np.float32)) * 255 / 16
    images = nn.functional.interpolate(small, (size, size), mode="bilinear").round().byte()
    return images.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy(), digits.target[:IMAGES]


def filter_means(gradient: torch.Tensor) -> torch.Tensor:
    """Return the mean square of each filter's gradient."""
    return gradient.square().flatten(1).mean(1) if gradient.dim() > 1 else gradient.square()


def batch_means(probe: Probe, head: Head, images: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Return the mean over batches of the squared mean gradient, by filter."""
    weights = list(probe.weights().values())
    random, labels_generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    probe.network.requires_grad_(True)
    total = torch.zeros(sum(len(weight) for weight in weights))
    steps = -(-draws // BATCH)
    for _ in range(steps):
        batch = probe.prepare(images[random.integers(0, len(images), BATCH)])
        logits = head(probe.network(batch))
        labels = torch.multinomial(logits.detach().softmax(1), 1, generator=labels_generator)[:, 0]
        loss = nn.functional.cross_entropy(logits, labels)
        gradients = torch.autograd.grad(loss, weights)
        total += torch.cat([filter_means(gradient) for gradient in gradients])
    probe.network.requires_grad_(False)
    return (total / steps).numpy()


def exact(probe: Probe, head: Head, images: np.ndarray) -> np.ndarray:
    """Return the Fisher information of images: all labels of each, one gradient at a time."""
    weights = list(probe.weights().values())
    probe.network.requires_grad_(True)
    total = 0
    for image in images:
        logs = head(probe.network(probe.prepare(image[None]))).log_softmax(1)[0]
        for log in logs:
            gradients = torch.autograd.grad(log, weights, retain_graph=True)
            squares = [filter_means(g) for g in gradients]
            total = total + log.detach().exp() * torch.cat(squares)
    probe.network.requires_grad_(False)
    return (total / len(images)).numpy()


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return the norm of the difference over that of the second."""
    return float(np.linalg.norm(first - second) / np.linalg.norm(second))


def seconds_of(call) -> tuple[float, object]:
    """Return CPU seconds of a call and its value."""
    start = time.process_time()
    value = call()
    return time.process_time() - start, value


def measure(size: int) -> list[str]:
    """Return the rows of one image size."""
    probe = make_probe(size)
    images, labels = make_images(size)
    preparing, features = seconds_of(lambda: probe.features(images))
    fitting, head = seconds_of(lambda: fit_head(features, labels, CLASSES, generator(0)))
    settings = Task2Vec(precision=1e-9, most_draws=IMAGES, batch_size=BATCH)
    ours = [
        seconds_of(lambda s=seed: monte_carlo(probe, head, images, settings, s, print, features))
        for seed in (0, 1)
    ]
    public = [
        seconds_of(lambda s=seed: batch_means(probe, head, images, IMAGES, s)) for seed in (0, 1)
    ]
    few = images[:FEW]
    truth = exact(probe, head, few)
    small = Task2Vec(precision=1e-9, most_draws=FEW_DRAWS, batch_size=BATCH)
    on_few = monte_carlo(probe, head, few, small, 0, print).values
    public_on_few = batch_means(probe, head, few, FEW_DRAWS, 0)
    draws = ours[0][1].draws
    total = preparing + fitting + ours[0][0]
    vectors = [found.values for _, found in ours]
    means = [values for _, values in public]
    return [
        f"| {size} px | per-sample, {draws} draws | {ours[0][0]:.1f} | {total:.1f} "
        f"(features {preparing:.1f}, head {fitting:.1f}) | "
        f"{LIMITS[size]} | {100 * difference(*vectors):.1f} % | "
        f"{100 * difference(on_few, truth):.1f} % | {on_few.sum() / truth.sum():.3f} |",
        f"| {size} px | squared batch mean, {-(-IMAGES // BATCH) * BATCH} draws | "
        f"{public[0][0]:.1f} | {preparing + fitting + public[0][0]:.1f} | | "
        f"{100 * difference(*means):.1f} % | {100 * difference(public_on_few, truth):.1f} % | "
        f"{public_on_few.sum() / truth.sum():.3f} |",
    ]


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, choices=SIZES)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "# Task2Vec benchmark",
        "",
        f"- Date: {datetime.date.today()}",
        f"- Machine: {describe_machine('timm', 'scikit-learn')}",
        f"- ResNet-18 (timm, random weights), {IMAGES:,} images of scikit-learn's digits, one "
        "thread, CPU seconds. In all: features, classifier and draws; the limit is for that. A "
        "pair of image and label that is drawn again is computed once.",
        "- Squared batch mean: the public implementation's algorithm, re-implemented plainly "
        f"(one squared mean gradient a batch of {BATCH}), without its own fit of the classifier. "
        "It draws 10,000 samples whatever the size of the data: ten times the time here.",
        "- Two seeds: norm of the difference over the norm. Brute force: the Fisher information "
        f"of {FEW} images, one gradient an image and label, against {FEW_DRAWS:,} draws on "
        "them; the same relative difference, and the ratio of the sums.",
        "",
        "| images | method | draws, s | in all, s | limit | two seeds differ | from brute force |"
        " sum over brute force's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size in arguments.sizes:
        lines += measure(size)
    text = "\n".join(lines) + "\n"
    print(text)
    if tuple(arguments.sizes) == SIZES:
        Path(__file__).with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
