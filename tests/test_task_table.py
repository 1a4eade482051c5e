"""The table of the task: rows, the summary's plain types, and the figure."""

import json

import numpy as np
import pytest
from PIL import Image
from shapes import BarRenderer, bar_grammar

from simtailor.figures.task import task_figure
from simtailor.metasim.labels import object_classes
from simtailor.metasim.task_settings import Task
from simtailor.metasim.task_table import TaskRow, labelled_scenes, task_summary, task_table
from simtailor.seeds import generator

NAMES = object_classes(bar_grammar((0, 10)))


@pytest.fixture(scope="module")
def rows():
    def scenes(yaw, count, purpose):
        graphs = bar_grammar((yaw, 10)).sample(count, generator(0, purpose))
        return labelled_scenes(BarRenderer(), graphs, NAMES)

    sources = {
        "prior": scenes(30, 200, "a"),
        "half way": scenes(15, 200, "b"),
        "target": scenes(0, 200, "c"),
    }
    return task_table(sources, scenes(0, 150, "test"), NAMES, Task(network="digits"), 0)


def test_nearer_sources_are_worth_more(rows):
    assert [row.source for row in rows] == ["prior", "half way", "target"]
    assert rows[0].mean < rows[1].mean - 0.05 < rows[2].mean
    assert rows[2].mean > 0.95
    for row in rows:
        assert row.images == 200
        assert len(set(row.accuracies)) > 1 or row.mean > 0.95  # the seeds differ
        assert row.confusion.sum() == 3 * 150
        assert row.confusion.trace() / 450 == pytest.approx(row.mean)


def test_summary_is_plain_json(rows):
    summary = json.loads(json.dumps(task_summary(rows, NAMES, 150), allow_nan=False))
    assert summary["classes"] == ["falling", "level", "rising"]
    assert summary["test_images"] == 150
    best = summary["trained_on"]["target"]
    assert best["accuracy"] == round(rows[2].mean, 4)
    assert best["spread"] == round(float(np.std(rows[2].accuracies, ddof=1)), 4)
    assert (best["seeds"], best["images"]) == (3, 200)
    assert set(best["accuracy_by_class"]) == set(NAMES)


def test_class_without_test_images_has_no_accuracy():
    row = TaskRow("prior", 10, (0.5,), np.array([[1, 1], [0, 0]]))
    entry = task_summary([row], ("a", "b"), 2)["trained_on"]["prior"]
    assert entry["accuracy_by_class"] == {"a": 0.5, "b": None}
    assert entry["spread"] == 0


def test_figure_shows_the_best_row_longest(rows, tmp_path):
    task_figure(rows, len(NAMES), tmp_path / "task.png", title="bars")
    picture = np.asarray(Image.open(tmp_path / "task.png").convert("RGB")).astype(int)
    lengths = [
        np.abs(picture - np.array(colour)).max(-1).__lt__(12).sum()
        for colour in ((179, 179, 179), (64, 149, 197))  # grey and blue at 75 %
    ]
    assert lengths[1] > 1.2 * lengths[0] > 0
