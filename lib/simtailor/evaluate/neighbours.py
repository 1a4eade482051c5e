"""Classification by the nearest neighbours in the space of normalised features.

FAISS, or torch where that does not load, finds candidates in single precision; their cosines are
then computed anew in double precision, and ties go to the training image that comes first. So the
result equals an exact search, whatever the library, its blocking and number of threads.

FAISS and torch each bring an OpenMP runtime. Both are loaded here in one order, torch first
(the other order crashes on some systems), and FAISS gets torch's number of threads: two pools
of all cores wait for one another.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

import numpy as np
import torch

from simtailor.devices import number_of
from simtailor.evaluate.settings import Neighbours

SPARE_CANDIDATES = 4
# Above the error of a cosine in single precision (about 4e-7 at 2,048 features).
CERTAIN = 1e-5
ROUNDING = 12  # decimals: the same sum in another order is the same cosine
BLOCK_VALUES = 2**24  # values held at a time, 128 MiB in double precision
FAISS, TORCH = "faiss", "torch"


def normalised(features: np.ndarray) -> np.ndarray:
    """Return float32 rows [N, D] of length 1; rows of length 0 stay 0."""
    features = np.ascontiguousarray(features, np.float32)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def search_libraries(device: str) -> tuple[str, ...]:
    """Return the libraries that find candidates on a device, the one that is taken first."""
    faiss = load_faiss()
    if faiss is None or (device != "cpu" and not _sees_gpus(faiss)):
        return (TORCH,)
    return (FAISS, TORCH)


def nearest(
    train: np.ndarray,
    queries: np.ndarray,
    count: int,
    device: str = "cpu",
    library: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest training vectors of every query, nearest first.

    Args:
        train: float32 [N, D], and queries: float32 [M, D], normalised.
        count: how many; at most N are returned.
        device: ``cpu`` or a CUDA device.
        library: one of ``search_libraries``; the first if None. The result is the same.

    Returns:
        indices int64 [M, k] and cosines float64 [M, k]; equal cosines in the order of indices.
    """
    count = min(count, len(train))
    indices = np.empty((len(queries), count), np.int64)
    cosines = np.empty((len(queries), count))
    if count == len(train):
        open_queries = np.arange(len(queries))
    else:
        wanted = min(count + SPARE_CANDIDATES, len(train))
        library = library or search_libraries(device)[0]
        find = _candidates_by_faiss if library == FAISS else _candidates_by_torch
        rough, candidates = find(train, queries, wanted, device)
        block = max(1, BLOCK_VALUES // (wanted * train.shape[1]))
        for start in range(0, len(queries), block):
            part = slice(start, start + block)
            exact = np.einsum(
                "mkd,md->mk", train[candidates[part]], queries[part].astype(np.float64)
            )
            cosines[part], indices[part] = _first(exact, candidates[part], count)
        # A vector that FAISS left out may tie with the last one taken only where the worst
        # candidate is as near.
        certain = cosines[:, -1] > rough[:, -1] + CERTAIN
        open_queries = np.flatnonzero(~certain) if wanted < len(train) else np.empty(0, np.int64)
    block = max(1, BLOCK_VALUES // len(train))
    whole = train.astype(np.float64).T if len(open_queries) else None
    for start in range(0, len(open_queries), block):
        part = open_queries[start : start + block]
        cosines[part], indices[part] = _nearest_by_scan(
            queries[part].astype(np.float64), whole, count
        )
    return indices, cosines


@lru_cache(maxsize=1)
def load_faiss() -> ModuleType | None:
    """Return FAISS where it loads: without CUDA's libraries the build for GPUs does not."""
    try:
        import faiss  # noqa: PLC0415 - after torch
    except (ImportError, OSError, RuntimeError):
        return None
    return faiss


def _sees_gpus(faiss: ModuleType) -> bool:
    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


@lru_cache(maxsize=1)
def _gpu_resources() -> object:
    """Return FAISS's memory and streams, which take a while to make, of this process."""
    return load_faiss().StandardGpuResources()


def _candidates_by_faiss(
    train: np.ndarray, queries: np.ndarray, count: int, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return cosines in single precision and indices [M, count], nearest first."""
    faiss = load_faiss()
    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatIP(train.shape[1])
    if device != "cpu":
        index = faiss.index_cpu_to_gpu(_gpu_resources(), number_of(device), index)
    index.add(train)
    return index.search(queries, count)


def _candidates_by_torch(
    train: np.ndarray, queries: np.ndarray, count: int, device: str
) -> tuple[np.ndarray, np.ndarray]:
    held = torch.from_numpy(train).to(device)
    found = [
        [part.cpu().numpy() for part in (block.to(device) @ held.T).topk(count)]
        for block in torch.from_numpy(queries).split(max(1, 8 * BLOCK_VALUES // len(train)))
    ]
    cosines, indices = zip(*found, strict=True)
    return np.concatenate(cosines), np.concatenate(indices)


def _first(cosines: np.ndarray, indices: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``count`` nearest of each row, equal ones in the order of their indices."""
    cosines = cosines.round(ROUNDING)
    order = np.lexsort((indices, -cosines), axis=1)[:, :count]
    return np.take_along_axis(cosines, order, 1), np.take_along_axis(indices, order, 1)


def _nearest_by_scan(
    queries: np.ndarray, train: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Compare every query [M, D] with all training vectors [D, N], in double precision."""
    cosines = (queries @ train).round(ROUNDING)
    # The last one taken of each row; of those equal to it, the first ones are taken.
    last = np.partition(cosines, -count, axis=1)[:, -count, None]
    indices = np.empty((len(queries), count), np.int64)
    for row, values, edge in zip(indices, cosines, last, strict=True):
        above = np.flatnonzero(values > edge)
        row[:] = [*above, *np.flatnonzero(values == edge)[: count - len(above)]]
    return _first(np.take_along_axis(cosines, indices, 1), indices, count)


def vote(
    labels: np.ndarray, cosines: np.ndarray, class_count: int, settings: Neighbours
) -> np.ndarray:
    """Return the class int64 [M] that the neighbours vote for.

    Source: the weights exp(cosine / temperature) are those of Wu et al., "Unsupervised
    Feature Learning via Non-Parametric Instance Discrimination" (CVPR 2018), section 3.4,
    which Task2Sim's evaluation uses with 5 neighbours and temperature 0.07.

    Args:
        labels: int64 [M, k] of the neighbours, nearest first, and their cosines [M, k].

    Equal votes: by 'uniform' the class whose neighbours are nearer, else the smaller class.
    """
    if settings.weighting == "softmax":
        weights = np.exp((cosines - cosines[:, :1]) / settings.temperature)
    else:
        weights = np.broadcast_to(1 - 1e-6 * np.arange(labels.shape[1]), labels.shape)
    votes = np.zeros((len(labels), class_count))
    np.add.at(votes, (np.arange(len(labels))[:, None], labels), weights)
    return votes.argmax(axis=1)


def neighbour_classes(
    train: np.ndarray,
    labels: np.ndarray,
    queries: np.ndarray,
    settings: Neighbours,
    device: str = "cpu",
) -> np.ndarray:
    """Return the classes int64 [M] that the neighbours of queries [M, D] vote for.

    Args:
        train: float32 [N, D]; labels: int64 [N].
    """
    indices, cosines = nearest(normalised(train), normalised(queries), settings.neighbours, device)
    return vote(labels[indices], cosines, int(labels.max()) + 1, settings)
