"""Which images of a task are taken, and which of them train and which test."""

from __future__ import annotations

import numpy as np

THUMBNAIL = 8  # pixels
BLOCK_VALUES = 2**24  # held at a time, 128 MiB in double precision
SAME = 0.02  # share of an image's contrast by which near-duplicates differ, at most
FLAT = 2.0  # grey levels: below so much contrast nothing tells images apart


def balanced_choice(labels: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Return sorted indices of at most ``count`` images, as even over the classes as can be.

    Args:
        labels: int64 [N].
    """
    if len(labels) <= count:
        return np.arange(len(labels))
    order = random.permutation(len(labels))
    sorted_order = order[np.argsort(labels[order], kind="stable")]
    # The rank of an image within its class: taking the lowest ranks first fills all classes
    # alike, and small classes wholly.
    starts = np.searchsorted(labels[sorted_order], labels[sorted_order])
    ranks = np.arange(len(labels)) - starts
    tie = random.permutation(len(labels))
    return np.sort(sorted_order[np.lexsort((tie, ranks))[:count]])


def near_duplicates(images: np.ndarray) -> np.ndarray:
    """Return the group of each image, int64 [N]: near-duplicates have the same.

    Two images are near-duplicates if their thumbnails, or the one and the mirrored other,
    differ by at most 2 % of their contrast in each channel, in the root mean square.

    Args:
        images: uint8 [N, S, S, 3].
    """
    small = _thumbnails(images)
    contrast = np.maximum(small.std((1, 2)).mean(1), FLAT)  # of each image, grey levels
    flat = small.reshape(len(small), -1)
    mirrored = small[:, :, ::-1].reshape(len(small), -1)
    squares = (flat**2).sum(1)
    pairs = []
    step = max(1, BLOCK_VALUES // len(flat))
    for first in range(0, len(flat), step):
        part = slice(first, first + step)
        limit = flat.shape[1] * (SAME * contrast[part, None]) ** 2
        for other in (flat, mirrored):
            distance = squares[part, None] + squares[None] - 2 * flat[part] @ other.T
            pairs.append(np.argwhere(distance <= limit) + np.array([first, 0]))
    rows, columns = np.concatenate(pairs).T
    return _components(rows, columns, len(flat))


def _thumbnails(images: np.ndarray) -> np.ndarray:
    """Return means over parts of the images: float64 [N, 8, 8, 3]."""
    edges = np.linspace(0, images.shape[1], THUMBNAIL + 1).round().astype(int)
    starts, sizes = edges[:-1], np.diff(edges)
    small = np.empty((len(images), THUMBNAIL, THUMBNAIL, 3))
    step = max(1, BLOCK_VALUES // images[0].size)
    for first in range(0, len(images), step):
        part = slice(first, first + step)
        rows = np.add.reduceat(images[part], starts, axis=1, dtype=np.float64)
        rows /= sizes[:, None, None]
        small[part] = np.add.reduceat(rows, starts, axis=2) / sizes[:, None]
    return small


def split_by_groups(
    labels: np.ndarray, groups: np.ndarray, share: float, random: np.random.Generator
) -> np.ndarray:
    """Return which images test: bool [N]; a group is never on both sides.

    Groups are taken in random order, the large ones first, as long as no class gets more
    than its share of the test part, or one image. A class that all its groups are too large
    for gets the smallest of them. A class in one group only cannot be on both sides.

    Args:
        labels: int64 [N]; groups: int64 [N]; share: of the test part, in (0, 1).
    """
    counts = np.zeros((int(groups.max()) + 1, int(labels.max()) + 1), np.int64)
    np.add.at(counts, (groups, labels), 1)
    quota = np.maximum(np.rint(share * counts.sum(0)), 1)
    order = random.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]
    taken, test = np.zeros(counts.shape[1], np.int64), np.zeros(len(counts), bool)
    for group in order:
        if counts[group].any() and (taken + counts[group] <= quota).all():
            test[group] = True
            taken += counts[group]
    for label in np.flatnonzero(taken == 0):
        if taken[label]:
            continue  # came with the group of another class
        members = order[counts[order, label] > 0]
        smallest = members[np.argmin(counts[members].sum(1))]
        test[smallest] = True
        taken += counts[smallest]
    return test[groups]


def merged_groups(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the finest groups that keep together what either grouping keeps together."""
    count = len(first)
    rows = np.concatenate([np.arange(count)] * 2)
    columns = np.concatenate([count + first, count + first.max(initial=0) + 1 + second])
    return _components(rows, columns, int(columns.max()) + 1)[:count]


def _components(rows: np.ndarray, columns: np.ndarray, size: int) -> np.ndarray:
    """Return the connected component of each of ``size`` nodes, int64, by pairs of nodes."""
    # The workflow reads this module while it plans, and these two take longer than that.
    from scipy.sparse import coo_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(size, size))
    return connected_components(graph, directed=False)[1].astype(np.int64)
