"""Measure the nearest-neighbour search against scikit-learn's brute force and torch.

Run: ./run python benchmarks/evaluation.py   (writes benchmarks/evaluation.md)
"""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine
from sklearn.neighbors import NearestNeighbors

from simtailor.evaluate.heads import linear_accuracy
from simtailor.evaluate.neighbours import nearest, normalised
from simtailor.evaluate.settings import HeadTraining

K = 5
Search = Callable[[np.ndarray, np.ndarray], np.ndarray]


def by_simtailor(train: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """FAISS, then exact cosines of its candidates."""
    return nearest(train, queries, K)[0]


def by_faiss(train: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """FAISS alone."""
    import faiss

    index = faiss.IndexFlatIP(train.shape[1])
    index.add(train)
    return index.search(queries, K)[1]


def by_torch(train: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """One matrix product and topk a block of queries."""
    held = torch.from_numpy(train).T
    blocks = torch.from_numpy(queries).split(1000)
    return torch.cat([(block @ held).topk(K).indices for block in blocks]).numpy()


def by_scikit_learn(train: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Brute force with the cosine distance."""
    fitted = NearestNeighbors(n_neighbors=K, algorithm="brute", metric="cosine", n_jobs=1)
    return fitted.fit(train).kneighbors(queries, return_distance=False)


def cpu_seconds(search: Search, train: np.ndarray, queries: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the CPU seconds of a search and what it found."""
    started = time.process_time()
    found = search(train, queries)
    return time.process_time() - started, found


def rows(count: int, width: int, queries: int) -> list[str]:
    """Return one row a way of searching."""
    random = np.random.default_rng(0)
    train = normalised(random.standard_normal((count, width)))
    asked = normalised(random.standard_normal((queries, width)))
    by_simtailor(train[:1000], asked[:10])  # libraries load at the first call
    base, expected = cpu_seconds(by_simtailor, train, asked)
    lines = [f"| simtailor (FAISS, ties and order exact) | {queries / base:,.0f} | 1 | 100 % |"]
    for name, search in (
        ("FAISS alone", by_faiss),
        ("torch", by_torch),
        ("scikit-learn, brute force", by_scikit_learn),
    ):
        seconds, found = cpu_seconds(search, train, asked)
        same = 100 * (found == expected).mean()
        lines.append(f"| {name} | {queries / seconds:,.0f} | {base / seconds:.2f} | {same:.2f} % |")
    return lines


def linear_seconds(count: int, width: int) -> float:
    """Return the CPU seconds of linear probing with the default settings."""
    random = np.random.default_rng(0)
    features = random.standard_normal((count, width)).astype(np.float32)
    labels = random.integers(0, 10, count)
    started = time.process_time()
    linear_accuracy(features, labels, features[:1000], labels[:1000], HeadTraining(), 0)
    return time.process_time() - started


def report(count: int, width: int, queries: int) -> str:
    """Measure and return the report."""
    torch.set_num_threads(1)
    lines = [
        "# Evaluation benchmark",
        "",
        f"- Date: {datetime.date.today().isoformat()}",
        f"- Machine: {describe_machine()}",
        f"- {count:,} training vectors of {width:,} values, k = {K}, {queries:,} queries, cosine, "
        "one thread, CPU seconds, index included.",
        "",
        "| search | queries/s | speed, simtailor = 1 | same neighbours in the same order |",
        "|---|---|---|---|",
        *rows(count, width, queries),
        "",
        "Linear probing with the default settings (20 epochs, two learning rates) on 10,000 "
        f"vectors of 256 values: {linear_seconds(10_000, 256):.1f} CPU s.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=int, default=40_000)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--queries", type=int, default=4000)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    text = report(options.vectors, options.width, options.queries)
    sys.stdout.write(text)
    options.output.write_text(text)


if __name__ == "__main__":
    main()
