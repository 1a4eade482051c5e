"""The jobs that train a network of a source, and write the results of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.figures.simulation import rows_sheet
from simtailor.figures.worth import worth_figure
from simtailor.files import staged, staged_folder, write_json
from simtailor.worth.comparison import NAMES, closed, plain, sentences_of, table_of
from simtailor.worth.examples import Examples
from simtailor.worth.inputs import Trial
from simtailor.worth.kinds import KINDS
from simtailor.worth.settings import REAL, TEST, WorthTraining

PICTURED = 6  # columns of the sheet of pictures
GUESSED = "guessed"


def train_and_guess(
    kind: str,
    training: str | Path,
    test: str | Path,
    settings: WorthTraining,
    seed: int,
    resources: str | Path,
    output: str | Path,
    report: Callable[[str], None],
    device: str = "cpu",
) -> None:
    """Train a network, and write what it guesses of the test pictures.

    Args:
        training, test: files of examples.
    """
    import torch  # noqa: PLC0415  the results need none

    from simtailor.worth.networks import train_network  # noqa: PLC0415

    torch.set_num_threads(1)  # sums in one order, so that the result does not depend on cores
    examples = Examples.read(training)
    network = train_network(kind, examples, settings, seed, resources, report, device)
    with staged(output) as staging:
        np.savez(staging, **{GUESSED: network.guess(Examples.read(test).images)})


def write_results(
    kind: str,
    name: str,
    trial: Trial,
    guesses: Mapping[str, Sequence[str | Path]],
    pictures: Mapping[str, str | Path],
    output: str | Path,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Write table, figures and summary.

    Args:
        name: of the experiment.
        guesses: by source, the files of the networks of all seeds; pictures: files of examples.

    Returns:
        The summary.
    """
    task, test = KINDS[kind], Examples.read(pictures[TEST])
    sources = {}
    for source, files in guesses.items():
        found = []
        for file in files:
            with np.load(file) as stored:
                found.append(stored[GUESSED])
        sources[source] = task.judged(found, test)
    without = task.without_network(test)
    summary = {
        "experiment": name,
        "kind": kind,
        "measure": task.measure,
        "test_pictures": len(test),
        "photographs": trial.photographs.folder if trial.photographs else None,
        "sources": {source: plain(rows) for source, rows in sources.items()},
        "without_network": plain(without),
        "closed": {
            source: {what: closed(task, sources, source, what) for what in rows}
            for source, rows in sources.items()
        },
        "sentences": sentences_of(task, sources),
    }
    title = f"{task.title}: {name}"
    with staged_folder(output) as staging:
        write_json(staging / "summary.json", summary)
        lines = ["", *table_of(task, sources, without), "", *bulleted(summary["sentences"])]
        (staging / "README.md").write_text(
            "\n".join([f"# {title}", *lines, "", note_of(trial, len(test)), ""])
        )
        worth_figure(task, sources, without, staging / "worth.png", title=title)
        rows = [("tried on", test.images[:PICTURED])]
        for source in guesses:
            rows.append((NAMES[source], Examples.read(pictures[source]).images[:PICTURED]))
        rows_sheet(rows, staging / "pictures.png", title=title)
    for line in lines[1:]:
        report(line)
    return summary


def bulleted(sentences: Sequence[str]) -> list[str]:
    """Return sentences as a list in Markdown."""
    return [f"- {sentence}" for sentence in sentences]


def note_of(trial: Trial, tests: int) -> str:
    """Return what the table is of."""
    photographs = trial.photographs
    if photographs is None:
        tried = f"{tests} pictures drawn from the target's own grammar"
        own = f"'{NAMES[REAL]}' trained on others of it. "
    else:
        tried = f"{tests} photographs of {photographs.folder}"
        count = len(photographs.train)
        own = f"'{NAMES[REAL]}' trained on the labels of {count} others. " if count else ""
    return (
        f"Tried on {tried}, whose labels nothing else has seen. The fit saw no label. {own}Closed: "
        f"the share of the way from the prior to {NAMES[REAL]}."
    )
