"""Labels for classification: the class of the scene's main object.

The main object is the only node named ``object`` (see ``SceneGraphLayout.node_names``). A
label indexes the sorted class names of that node, so it does not depend on their order in
the grammar, and prior and target agree where they have the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simtailor.errors import UserError, nearest_name
from simtailor.scene.grammar import Grammar
from simtailor.scene.grammar_nodes import MAIN
from simtailor.scene.graph import SceneGraphBatch


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images with the class of each.

    Attributes:
        images: uint8 [n, S, S, 3].
        labels: int64 [n], indices into the class names.
    """

    images: np.ndarray
    labels: np.ndarray


def object_classes(grammar: Grammar) -> tuple[str, ...]:
    """Return the main object's class names, sorted; none where there is not one such node."""
    names = grammar.layout.node_names
    if names.count(MAIN) != 1:
        return ()
    return tuple(sorted({str(name) for name in grammar.nodes[names.index(MAIN)].classes}))


def scene_labels(graphs: SceneGraphBatch, names: Sequence[str]) -> np.ndarray:
    """Return the label of each graph, int64 [B], as an index into ``names``."""
    node = graphs.layout.node_names.index(MAIN)
    label_of = {name: i for i, name in enumerate(names)}
    lookup = np.array([label_of.get(str(name), -1) for name in graphs.layout.class_names])
    return lookup[graphs.classes[:, node]]


def translated_labels(
    labels: np.ndarray, label_names: Sequence[str], names: Sequence[str], source: str
) -> np.ndarray:
    """Return labels that index ``label_names`` as labels that index ``names``: int64 [n].

    Raises:
        UserError: a name is not among ``names``; ``source`` says where it comes from.
    """
    for name in label_names:
        if name not in names:
            raise UserError(
                f"{source}: the class {name!r} is not one that the main object of the "
                f"experiment's grammar can have: {', '.join(names)}." + nearest_name(name, names)
            )
    return np.array([names.index(name) for name in label_names], dtype=np.int64)[labels]
