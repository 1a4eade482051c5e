"""Features, nearest neighbours by every library, ridge, linear and fine-tuned heads."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from gpu_checks.bench import Arrays, Bench, relative_difference
from simtailor.evaluate.heads import finetuned_accuracy, linear_accuracy
from simtailor.evaluate.neighbours import nearest, normalised, search_libraries
from simtailor.evaluate.ridge import draw_labelled, ridge_answers
from simtailor.evaluate.settings import FineTuning, HeadTraining, Neighbours
from simtailor.plan import multiplications
from simtailor.pretrain.backbone import Backbone

TRAINED = 1000  # of the 1,797 digits
COMPARED = 400  # neighbours' queries that the CPU answers, too
FEATURES = 200  # digits; the CPU's features travel with the project
FEATURES_APART = 0.01  # relative; TF32 keeps 10 bits
ANSWERS_ALIKE = 0.98  # share of the ridge's


def features_of(bench: Bench, device: str) -> Arrays:
    """Return the features of handwritten digits by the small network with random weights."""
    images, _ = _digits(bench)
    backbone = Backbone.random(bench.pretrain("gpu.yaml"), 0, device, branches_on=True)
    pooled, stages = backbone.features_of_stages(images[:FEATURES])
    return {"pooled": pooled, "stages": stages}


def features(bench: Bench) -> dict[str, Any]:
    """Compare features with the CPU's, and measure images a second."""
    made, wanted = features_of(bench, bench.device), bench.on_cpu("features", features_of)
    found: dict[str, Any] = {
        f"{name}, relative difference": relative_difference(made[name], wanted[name])
        for name in made
    }
    bench.expect(max(found.values()) <= FEATURES_APART, "the features are not the CPU's")
    random = np.random.default_rng(0)
    for file, count in (("gpu.yaml", 20_000), ("paper.yaml", 3_000)):
        settings = bench.pretrain(file)
        backbone = Backbone.random(settings, 0, bench.device)
        images = random.integers(0, 256, (bench.size(count, 32), 64, 64, 3), dtype=np.uint8)
        backbone.features(images[:512])
        rate = len(images) / bench.seconds(lambda b=backbone, i=images: b.features(i))
        what = f"{settings.model}, {settings.image_size} px"
        found[f"{what}, images a second"] = rate
        giga, _ = multiplications(settings.model, settings.model_options, settings.image_size)
        bench.rate("evaluate", giga, rate, f"features, {what}")
    return found


def neighbours(bench: Bench) -> dict[str, Any]:
    """Search by every library that the device has, and compare with the CPU's answers."""
    random = np.random.default_rng(1)
    count, asked, width = bench.size((40_000, 4_000, 2_048), (400, 40, 64))
    train, queries = (
        normalised(random.standard_normal((n, width)).astype(np.float32)) for n in (count, asked)
    )
    wanted = Neighbours().neighbours
    some = queries[:COMPARED]
    exact, _ = nearest(train, some, wanted, "cpu")
    found = {}
    for library in search_libraries(bench.device):

        def search(library: str = library) -> np.ndarray:
            return nearest(train, queries, wanted, bench.device, library)[0]

        same = bool((search()[: len(some)] == exact).all())
        bench.expect(same, f"{library} finds other neighbours than the CPU")
        found[library] = {
            "queries a second": len(queries) / bench.seconds(search),
            "same neighbours": same,
        }
    return found


def heads(bench: Bench) -> dict[str, Any]:
    """Train heads on the digits' features, and compare the ridge's answers with the CPU's."""
    images, labels = _digits(bench)
    order = np.random.default_rng(2).permutation(len(labels))
    train, test = np.split(order, [len(labels) * TRAINED // 1797])
    backbone = Backbone.random(bench.pretrain("gpu.yaml"), 0, bench.device, branches_on=True)
    pooled, stages = backbone.features_of_stages(images)
    episodes = [
        draw_labelled(labels[train], 5, 2, np.random.default_rng(seed)) for seed in range(10)
    ]

    def ridge(device: str) -> np.ndarray:
        parts = (stages[train], labels[train], episodes, stages[test])
        return np.stack(list(ridge_answers(*parts, device)))

    answers: list[np.ndarray] = []
    took = bench.seconds(lambda: answers.append(ridge(bench.device)))
    alike = float((answers[0] == ridge("cpu")).mean())
    bench.expect(alike >= ANSWERS_ALIKE, "the ridge answers otherwise than the CPU's")
    percents: list[float] = []
    parts = pooled[train], labels[train], pooled[test], labels[test]
    epochs = bench.size(20, 2)
    linear = bench.seconds(
        lambda: percents.append(
            linear_accuracy(*parts, HeadTraining(epochs=epochs), 0, bench.device)
        )
    )
    short = FineTuning(epochs=bench.size(5, 1))
    tuned = bench.seconds(
        lambda: percents.append(finetuned_accuracy(backbone, images, labels, train, test, short, 0))
    )
    return {
        "ridge": {"seconds": took, "answers as on the CPU": alike},
        "linear": {"seconds": linear, "percent right": percents[0]},
        "fine-tuned": {"seconds": tuned, "percent right": percents[1]},
    }


def _digits(bench: Bench) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's handwritten digits, uint8 [N, 8, 8, 3], and their labels."""
    pixels, labels = load_digits(return_X_y=True)
    images = np.repeat((pixels.reshape(-1, 8, 8, 1) / 16 * 255).astype(np.uint8), 3, 3)
    count = bench.size(len(labels), 180)
    return images[:count], labels[:count].astype(np.int64)
