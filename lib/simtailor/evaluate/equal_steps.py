"""Fine-tuning and training from scratch at equal steps, with few labels.

The k-th backbone and the k-th start from scratch get the same labelled images, the same
batches and the same variations, so that they differ in their first weights only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from simtailor.devices import check_device
from simtailor.evaluate.evidence import EVALUATION_VERSION, digest_of, known_or_new
from simtailor.evaluate.heads import FineTuned
from simtailor.evaluate.judging import labelled_images
from simtailor.evaluate.ridge import balanced_accuracy
from simtailor.evaluate.settings import Evaluate
from simtailor.files import write_json
from simtailor.pretrain.augmentation import draw_variations
from simtailor.pretrain.backbone import Backbone
from simtailor.pretrain.settings import Augmentation
from simtailor.seeds import generator
from simtailor.tasks.prepared import PreparedTask
from simtailor.tracking import track

VARIED = Augmentation(crop=0.64, flip=0.0, colour=0.0, grey=0.0)  # right for characters too
WEIGHT_DECAY = 0.05
TESTED = 256  # images tested together


def train_at_equal_steps(
    name: str,
    start: Backbone,
    digest: str,
    pair: int,
    tasks: Sequence[str | Path],
    settings: Evaluate,
    seed: int,
    cache: str | Path,
    output: str | Path,
    report: Callable[[str], None],
) -> None:
    """Train on all tasks and write ``{"start", "pair", "tasks": {task: {steps: percent}}}``.

    Args:
        start: the first weights, and their digest.
        pair: the number of the episode whose labelled images are taken.
        cache: folder where the results of each task are kept.
    """
    check_device(str(start.device))
    values = settings.equal_steps.model_dump(mode="json", exclude={"starts"})
    few = settings.few_labels.model_dump(mode="json", exclude={"episodes"})
    results = {}
    for task in map(PreparedTask.read, tasks):
        keys = {
            str(steps): digest_of(
                EVALUATION_VERSION, digest, pair, task.facts["sha256"], task.classes, steps, values,
                few, start.image_size, seed,
            )
            for steps, starts in settings.equal_steps.starts.items()
            if pair < starts
        }  # fmt: skip
        found, told = known_or_new(
            Path(cache) / f"{task.name}.json",
            keys,
            lambda stale, task=task: {
                steps: [_trained_accuracy(start, task, int(steps), pair, settings, seed)]
                for steps in stale
            },
        )
        results[task.name] = {steps: percents[0] for steps, percents in found.items()}
        report(f"{task.name}: {told}")
        for steps, percent in results[task.name].items():
            track(int(steps), {task.name: percent})
    write_json(output, {"start": name, "pair": pair, "tasks": results})


def _trained_accuracy(
    start: Backbone, task: PreparedTask, steps: int, pair: int, settings: Evaluate, seed: int
) -> float:
    """Return the balanced accuracy, percent, of a copy of ``start`` after some steps."""
    short = settings.equal_steps
    model = trained_for_steps(
        start,
        task,
        task.train[labelled_images(task, settings, seed, pair)],
        steps,
        short.batch_size,
        short.learning_rate,
        VARIED,
        generator(seed, "equal steps", task.name, pair),
        generator(seed, "equal steps, variations", task.name, pair),
    )
    with torch.no_grad():
        answers = [
            model(start.prepared(task.images[task.test[first : first + TESTED]])).argmax(1).cpu()
            for first in range(0, len(task.test), TESTED)
        ]
    return balanced_accuracy(torch.cat(answers).numpy(), np.asarray(task.test_labels))


def trained_for_steps(
    start: Backbone,
    task: PreparedTask,
    indices: np.ndarray,
    steps: int,
    batch_size: int,
    learning_rate: float,
    variation: Augmentation,
    order: np.random.Generator,
    varied: np.random.Generator,
    told: Callable[[int], None] = lambda step: None,
) -> FineTuned:
    """Return a copy of a backbone with a head, trained by AdamW, in evaluation mode.

    Args:
        indices: of the task's images that train, int64 [n].
        learning_rate: highest; it rises, and falls along a half cosine.
        order: draws the head's weights and the batches; ``varied`` the variations.
        told: is given the number of every step that is done.
    """
    device = start.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(order.integers(2**31)))
        model = FineTuned(start.network, len(task.classes), dropout=0.0).to(device).train()
        optimiser = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, learning_rate, total_steps=steps + 1
        )
        for step, batch in enumerate(_batches(indices, batch_size, steps, order), 1):
            pixels = torch.from_numpy(np.asarray(task.images[batch])).to(device)
            variations = draw_variations(variation, len(batch), varied)
            scores = model(start.varied(pixels, variations))
            wanted = torch.from_numpy(np.asarray(task.labels[batch])).to(device)
            optimiser.zero_grad(set_to_none=True)
            functional.cross_entropy(scores, wanted).backward()
            optimiser.step()
            schedule.step()
            told(step)
    return model.eval()


def _batches(
    indices: np.ndarray, size: int, steps: int, random: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield so many batches: the images in random order, again and again."""
    size = min(size, len(indices))
    order = np.empty(0, np.int64)
    for _ in range(steps):
        if len(order) < size:
            order = np.concatenate([order, random.permutation(indices)])
        yield order[:size]
        order = order[size:]
