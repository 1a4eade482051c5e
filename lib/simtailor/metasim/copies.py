"""Interchangeable objects as one sample: the copies of a node of the grammar count alike.

Which of four mugs is the first is a matter of naming. So statistics, figures and starts take the
values of all copies that are there as one sample.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simtailor.render.renderer import Equivalents
from simtailor.scene.graph import ABSENT, SceneGraphBatch, SceneGraphLayout


def stacked(same: Equivalents) -> Equivalents:
    """Return scenes with each copy's values in the place of the first, in rows of their own.

    Of B scenes with up to S copies, row s B + b has the copy s of scene b. A node that has fewer
    copies is not there in the other rows, and nothing is identified of it.
    """
    layout = same.graphs.layout
    if not layout.repeated:
        return same
    sources, slots = layout.source_of, layout.slot_of
    parts = []
    for slot in range(int(slots.max()) + 1):
        classes = np.full_like(same.graphs.classes, ABSENT)
        features = same.graphs.features.copy()
        identified = np.zeros_like(same.identified)
        for node in np.flatnonzero(slots == slot):
            first = layout.firsts[sources[node]]
            classes[:, first] = same.graphs.classes[:, node]
            features[:, first] = same.graphs.features[:, node]
            identified[:, first] = same.identified[:, node]
        parts.append((classes, features, same.graphs.seeds, identified, same.unique))
    classes, features, seeds, identified, unique = map(np.concatenate, zip(*parts, strict=True))
    graphs = SceneGraphBatch(layout, classes, features, seeds)
    return Equivalents(graphs, identified & graphs.present[..., None], unique)


def merged_layout(layout: SceneGraphLayout) -> SceneGraphLayout:
    """Return the layout of the grammar's G nodes, each once."""
    if not layout.repeated:
        return layout
    firsts, sources = layout.firsts, layout.source_of
    parents = [sources[p] if p >= 0 else -1 for p in layout.parents[firsts]]
    return replace(
        layout,
        node_names=tuple(layout.node_names[n] for n in firsts),
        node_constants=tuple(layout.node_constants[n] for n in firsts),
        parents=np.array(parents, dtype=np.int64),
        maximum=layout.maximum[firsts],
        mutable=layout.mutable[firsts],
        sources=None,
    )


def merged(same: Equivalents) -> Equivalents:
    """Return scenes of ``merged_layout``: every copy is a row."""
    layout = same.graphs.layout
    if not layout.repeated:
        return same
    rows, firsts = stacked(same), layout.firsts
    graphs = SceneGraphBatch(
        merged_layout(layout),
        rows.graphs.classes[:, firsts],
        rows.graphs.features[:, firsts],
        rows.graphs.seeds,
    )
    return Equivalents(graphs, rows.identified[:, firsts], rows.unique)
