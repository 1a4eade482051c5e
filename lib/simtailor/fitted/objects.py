"""The objects of a grammar's scenes: the nodes named ``object``, by the numbers of the masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simtailor.errors import UserError
from simtailor.render.description import RendererDescription
from simtailor.scene.grammar import Grammar
from simtailor.scene.grammar_nodes import MAIN
from simtailor.scene.graph import SceneGraphBatch

NOT_THERE = -2  # the label of an object that a scene has not


@dataclass(frozen=True, eq=False)
class SceneObjects:
    """What is labelled in a grammar's scenes.

    Attributes:
        nodes: of the objects; that at place k has the number k + 1 in a mask.
        classes: names of the objects' classes, sorted; a label is a place in them.
        labels: the label of each class name of the layout, -1 of one that no object has: int [C].
        scattered: whether the renderer scatters objects of one class, which are no nodes; then
            every number in a mask is one.
    """

    nodes: tuple[int, ...]
    classes: tuple[str, ...]
    labels: np.ndarray
    scattered: bool = False

    @classmethod
    def of(cls, grammar: Grammar, contract: RendererDescription) -> SceneObjects:
        """Return the objects of a grammar; a class given by number has the renderer's name."""
        if contract.scattered:
            return cls((), (contract.scattered,), np.zeros(0, np.int64), scattered=True)
        known = contract.nodes[MAIN].classes if MAIN in contract.nodes else ()

        def name_of(given: str | int) -> str:
            number = isinstance(given, int) and 0 <= given < len(known)
            return known[given] if number else str(given)

        nodes = tuple(n for n, name in enumerate(grammar.layout.node_names) if name == MAIN)
        names = {name_of(c) for node in nodes for c in grammar.nodes[node].classes}
        classes = tuple(sorted(names))
        labels = [
            classes.index(name_of(c)) if name_of(c) in names else -1
            for c in grammar.layout.class_names
        ]
        return cls(nodes, classes, np.array(labels, dtype=np.int64))

    def labels_of(self, graphs: SceneGraphBatch) -> np.ndarray:
        """Return the label of each object of B scenes, ``NOT_THERE`` of an absent one: [B, K]."""
        if self.scattered:
            return np.zeros((len(graphs), 0), np.int64)
        nodes = list(self.nodes)
        labels = self.labels[graphs.classes[:, nodes]]
        return np.where(graphs.present[:, nodes], labels, NOT_THERE)

    def check(self, masks: np.ndarray, renderer: str) -> None:
        """Check that masks uint8 [B, H, W] have no other numbers than those of the objects.

        Raises:
            UserError: a number is too large.
        """
        if not self.scattered and masks.size and int(masks.max()) > len(self.nodes):
            raise UserError(
                f"renderer '{renderer}': a mask holds the number {int(masks.max())}, but the "
                f"grammar has {len(self.nodes)} node(s) 'object'. Number them from 1 in the order "
                "of the grammar; 0 is all the rest."
            )
