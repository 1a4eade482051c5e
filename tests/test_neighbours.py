"""Nearest neighbours: equal to an exact search, whatever FAISS or torch return."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from simtailor.evaluate import neighbours
from simtailor.evaluate.neighbours import (
    nearest,
    neighbour_classes,
    normalised,
    search_libraries,
    vote,
)
from simtailor.evaluate.settings import Neighbours


def exact_search(train, queries, count):
    """Return indices and cosines by torch in double precision; equal cosines by index."""
    cosines = torch.from_numpy(queries).double() @ torch.from_numpy(train).double().T
    cosines, indices = (cosines * 1e12).round().div(1e12).sort(dim=1, descending=True, stable=True)
    return indices[:, :count].numpy(), cosines[:, :count].numpy()


def features(count, width, seed, kind):
    random = np.random.default_rng(seed)
    if kind == "spread":
        return normalised(random.standard_normal((count, width)))
    if kind == "near":  # of a poor backbone: cosines differ in the sixth decimal
        return normalised(1 + 1e-3 * random.standard_normal((count, width)))
    if kind == "ties":  # few distinct vectors
        return normalised(random.integers(0, 2, (count, 4)) @ random.random((4, width)))
    return np.zeros((count, width), np.float32)  # a dead backbone


@pytest.mark.parametrize("kind", ["spread", "near", "ties", "dead"])
@pytest.mark.parametrize(("count", "width", "k"), [(500, 64, 5), (1500, 16, 20), (7, 3, 5)])
@pytest.mark.parametrize("library", ["faiss", "torch"])
def test_every_library_equals_the_exact_search(kind, count, width, k, library):
    train, queries = features(count, width, 0, kind), features(200, width, 1, kind)
    indices, cosines = nearest(train, queries, k, library=library)
    expected, expected_cosines = exact_search(train, queries, k)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_allclose(cosines, expected_cosines, atol=2e-12)


@pytest.fixture
def other_faiss(monkeypatch):
    """Return a function that puts another module in the place of FAISS."""

    def put(module):
        neighbours.load_faiss.cache_clear()
        monkeypatch.setitem(sys.modules, "faiss", module)

    yield put
    monkeypatch.undo()
    neighbours.load_faiss.cache_clear()


def test_torch_searches_where_faiss_does_not_load(other_faiss):
    other_faiss(None)  # importing it is an ImportError
    assert search_libraries("cpu") == search_libraries("cuda") == ("torch",)
    train = features(100, 8, 0, "spread")
    np.testing.assert_array_equal(nearest(train, train, 5)[0], exact_search(train, train, 5)[0])


def test_the_build_for_gpus_without_its_libraries_is_no_faiss(monkeypatch, other_faiss, tmp_path):
    said = "faiss-gpu installed but nvidia-cuda-runtime-cu12 is missing"
    (tmp_path / "faiss.py").write_text(f"raise RuntimeError({said!r})\n")
    other_faiss(None)
    monkeypatch.delitem(sys.modules, "faiss")
    monkeypatch.syspath_prepend(tmp_path)
    assert search_libraries("cuda:1") == ("torch",)


def test_faiss_searches_on_a_gpu_only_where_it_sees_one(other_faiss):
    for seen, libraries in ((0, ("torch",)), (2, ("faiss", "torch"))):
        other_faiss(SimpleNamespace(StandardGpuResources=object, get_num_gpus=lambda n=seen: n))
        assert search_libraries("cuda") == libraries
        assert search_libraries("cpu") == ("faiss", "torch")


def test_more_neighbours_than_training_images_takes_all():
    train = features(3, 8, 0, "spread")
    indices, _ = nearest(train, train, 5)
    assert indices.shape == (3, 3)
    assert sorted(indices[0]) == [0, 1, 2]
    np.testing.assert_array_equal(indices[:, 0], [0, 1, 2])


def test_votes_are_weighted_by_nearness_and_ties_are_settled():
    labels = np.array([[0, 1, 1, 2, 2], [3, 2, 2, 1, 1]])
    cosines = np.array([[0.99, 0.5, 0.49, 0.1, 0.1], [0.5, 0.5, 0.5, 0.5, 0.5]])
    softmax, uniform = Neighbours(temperature=0.07), Neighbours(weighting="uniform")
    np.testing.assert_array_equal(vote(labels, cosines, 4, softmax), [0, 1])
    np.testing.assert_array_equal(vote(labels, cosines, 4, uniform), [1, 2])


def test_real_digits_agree_with_scikit_learn():
    images, labels = load_digits(return_X_y=True)
    train, test = slice(0, 1200), slice(1200, None)
    uniform = Neighbours(weighting="uniform")
    found = neighbour_classes(images[train], labels[train], images[test], uniform)
    other = KNeighborsClassifier(5, metric="cosine").fit(images[train], labels[train])
    assert (found == other.predict(images[test])).mean() > 0.98
    assert (found == labels[test]).mean() > 0.94
