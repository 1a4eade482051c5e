"""Fewer triangles for a model that has too many; materials, colours and textures stay in place.

The surface of all parts together is simplified by quadric error (Garland and Heckbert, 1997), so
that no gaps open between parts or along the seams of a texture. Each new triangle then takes
material, texture coordinates and colours from the place of the old surface that is nearest to it.
"""

from __future__ import annotations

from dataclasses import replace

import fast_simplification
import numpy as np
import scipy.spatial
import trimesh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from simtailor.assets.model_parts import ModelError, Part, extent

FINEST = 1024  # cells along the longest side, where corners are put together
CANDIDATES = 8  # samples of triangles among which the nearest to a point is looked for
SAMPLES = 100_000  # of a surface, spread by area
MOST_ROWS = 200  # of samples on one triangle


def decimated(parts: list[Part], maximum_faces: int) -> list[Part]:
    """Return parts that have at most ``maximum_faces`` triangles together.

    Raises:
        ModelError: the surface cannot be simplified so far, as when no triangles are joined.
    """
    low, high = extent(parts)
    size = max(float((high - low).max()), 1e-300)
    starts = np.cumsum([0, *[len(part.vertices) for part in parts]])
    parts = [_needed(part) for part in parts]
    vertices = (np.concatenate([part.vertices for part in parts]) - low) / size
    faces = np.concatenate([p.faces + s for p, s in zip(parts, starts, strict=False)])
    owner = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
    points, fewer = _simplified(vertices, faces, maximum_faces)
    corners = vertices[faces]
    charts = _charts(vertices, faces, owner, parts)
    every = np.arange(len(faces))
    near, _ = _nearest(points[fewer].mean(1), corners, every)
    new_parts = []
    for number, part in enumerate(parts):
        mine = np.flatnonzero(owner[near] == number)
        if len(mine):
            new = _carried(part, points[fewer[mine]], near[mine], corners, faces, charts,
                           int(starts[number]), int(np.searchsorted(owner, number)))  # fmt: skip
            new_parts.append(replace(new, vertices=new.vertices * size + low))
    return new_parts


def _carried(
    part: Part, triangles: np.ndarray, near: np.ndarray, corners: np.ndarray, faces: np.ndarray,
    charts: np.ndarray, first: int, before: int,
) -> Part:  # fmt: skip
    """Return a part of new triangles with the coordinates and colours of the old.

    Args:
        triangles: [F, 3, 3]; near: [F], the old triangle nearest to each.
        corners: [T, 3, 3] of all old triangles, faces: [T, 3], charts: [T].
        first: number of the part's first vertex; before: of its first triangle.
    """
    new = replace(
        part, vertices=triangles.reshape(-1, 3), faces=np.arange(3 * len(near)).reshape(-1, 3),
        coordinates=None, colours=None,
    )  # fmt: skip
    if part.of_faces and part.colours is not None:
        return replace(new, colours=part.colours[near - before])
    values = [v for v in (part.coordinates, part.colours) if v is not None]
    if not values:
        return new
    old = np.column_stack(values)
    carried = np.zeros((len(near), 3, old.shape[1]))
    order = np.argsort(charts, kind="stable")
    for chart in np.unique(charts[near]):
        low, high = np.searchsorted(charts[order], [chart, chart + 1])
        numbers = order[low:high]
        rows = np.flatnonzero(charts[near] == chart)
        found, weights = _nearest(triangles[rows].reshape(-1, 3), corners[numbers], numbers)
        given = np.einsum("pi,pid->pd", weights, old[faces[found] - first])
        carried[rows] = given.reshape(len(rows), 3, -1)
    flat = carried.reshape(-1, old.shape[1])
    width = 2 if part.coordinates is not None else 0
    return replace(
        new,
        coordinates=flat[:, :2] if width else None,
        colours=flat[:, width:] if part.colours is not None else None,
    )


def _needed(part: Part) -> Part:
    """Return the part without coordinates that no texture uses."""
    return part if part.material.texture is not None else replace(part, coordinates=None)


def _simplified(
    vertices: np.ndarray, faces: np.ndarray, maximum: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return places [P, 3] and at most ``maximum`` triangles of them, at the size of 1."""
    first, index = trimesh.grouping.unique_rows(vertices, digits=7)
    joined = _true_triangles(index.reshape(-1)[faces])
    points = np.ascontiguousarray(vertices[first], dtype=np.float32)
    if len(joined) > maximum:
        # Without their borders kept, flat pieces such as walls and leaves would vanish at no cost.
        points, joined = fast_simplification.simplify(
            points, np.ascontiguousarray(joined, dtype=np.int32), target_count=maximum,
            preserve_border=True,
        )  # fmt: skip
    # Triangles that are not joined, or pinned by their borders, are not made few enough so.
    cells = FINEST
    while len(joined) > maximum:
        points, joined = _clustered(points, joined, cells)
        cells //= 2
    if not len(joined):
        raise ModelError(
            f"it has {len(faces)} triangles, which are too small to be made fewer than {maximum}; "
            "simplify it in your program"
        )
    return np.asarray(points, dtype=np.float64), np.asarray(joined, dtype=np.int64)


def _clustered(points: np.ndarray, faces: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return triangles whose corners in one cell of a grid are one (Rossignac and Borrel, 1993)."""
    grid = np.floor((points - points.min(0)) * cells).astype(np.int64)
    _, index = trimesh.grouping.unique_rows(grid)
    index = index.reshape(-1)
    sizes = np.bincount(index)
    means = np.column_stack([np.bincount(index, points[:, i]) / sizes for i in range(3)])
    joined = _true_triangles(index[faces])
    once, _ = trimesh.grouping.unique_rows(np.sort(joined, axis=1))
    return means, joined[np.sort(once)]


def _true_triangles(faces: np.ndarray) -> np.ndarray:
    """Return the triangles of three different corners."""
    return faces[(faces != np.roll(faces, 1, axis=1)).all(1)]


def _charts(
    vertices: np.ndarray, faces: np.ndarray, owner: np.ndarray, parts: list[Part]
) -> np.ndarray:
    """Return for each triangle the number of its piece of texture: triangles that share vertices.

    Vertices at one place with one texture coordinate count as shared. Parts without coordinates
    are one piece.
    """
    flat = np.concatenate(
        [p.coordinates if p.coordinates is not None else np.zeros((len(p.vertices), 2))
         for p in parts]
    )  # fmt: skip
    of_part = np.repeat(np.arange(len(parts)), [len(part.vertices) for part in parts])
    rows = np.column_stack([np.round(vertices * 1e7), np.round(flat * 1e5), of_part])
    _, same = trimesh.grouping.unique_rows(rows.astype(np.int64))
    corners = same.reshape(-1)[faces]
    count = int(corners.max()) + 1
    links = np.concatenate([corners[:, :2], corners[:, 1:]])
    graph = coo_array((np.ones(len(links)), (links[:, 0], links[:, 1])), (count, count))
    _, label = connected_components(graph, directed=False)
    charts = label[corners[:, 0]]
    for number, part in enumerate(parts):
        if part.coordinates is None:
            charts[owner == number] = count + number
    return charts


def _samples(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points on triangles [T, 3, 3], the more the larger they are: [S, 3], and whose: [S].

    Centres alone would take a point on a large triangle for one of small ones nearby.
    """
    area = trimesh.triangles.area(corners)
    rows = np.sqrt(area * SAMPLES / max(float(area.sum()), 1e-300))
    rows = np.ceil(rows).clip(1, MOST_ROWS).astype(int)
    points, owners = [], []
    for count in np.unique(rows):
        numbers = np.flatnonzero(rows == count)
        first, second = np.meshgrid(np.arange(count), np.arange(count), indexing="ij")
        inside = first + second < count
        first, second = (first[inside] + 1 / 3) / count, (second[inside] + 1 / 3) / count
        weights = np.column_stack([first, second, 1 - first - second])
        points.append(np.einsum("si,tid->tsd", weights, corners[numbers]).reshape(-1, 3))
        owners.append(np.repeat(numbers, len(weights)))
    return np.concatenate(points), np.concatenate(owners)


def _nearest(
    points: np.ndarray, corners: np.ndarray, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return which triangle [P] is nearest to each point, and where on it: barycentric [P, 3].

    Args:
        corners: [T, 3, 3] of triangles; numbers: [T], by which they are named.
    """
    samples, owners = _samples(corners)
    count = min(CANDIDATES, len(samples))
    _, found = scipy.spatial.cKDTree(samples).query(points, k=count)
    found = owners[found.reshape(-1)]
    many = np.repeat(points, count, axis=0)
    tried = corners[found]
    closest = trimesh.triangles.closest_point(tried, many)
    distance = np.linalg.norm(closest - many, axis=1).reshape(len(points), count)
    row = np.arange(len(points)) * count + distance.argmin(1)
    weights = trimesh.triangles.points_to_barycentric(tried[row], closest[row])
    weights = np.nan_to_num(weights, nan=1 / 3, posinf=1 / 3, neginf=1 / 3).clip(0, 1)
    total = weights.sum(1, keepdims=True)
    weights = np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / 3)
    return numbers[found[row]], weights
