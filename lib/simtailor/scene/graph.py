"""Scene graphs as batched tensors.

The topology of a grammar is fixed, so a batch of graphs is one array of classes and one
of features, and is sampled, changed and rendered with no Python loop over scenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simtailor.errors import UserError
from simtailor.scene.attributes import UNKNOWN, Attribute, NodeAttributes

if TYPE_CHECKING:
    import networkx


ABSENT = -1  # the class of a node that a scene has not


@dataclass(frozen=True, eq=False)
class DrawnShares:
    """How often each class of a node, or each number of its copies, comes.

    Attributes:
        kind: ``class`` or ``num_child``.
        source: the node of the grammar.
        values: int [K], indices into the layout's ``class_names``, or counts from few to many.
        shares: float64 [K], those of the grammar; the sum is 1.
        learnt: whether a fit may change them.
    """

    kind: str
    source: int
    values: tuple[int, ...]
    shares: np.ndarray
    learnt: bool


@dataclass(frozen=True, eq=False)
class SceneGraphLayout:
    """What all graphs of a grammar share. N nodes, F features.

    Attributes:
        class_names: every class of the grammar, in the order of first appearance. A
            number in ``SceneGraphBatch.classes`` indexes this tuple.
        node_names: name of each node: its class, or ``object`` where the class is random.
        node_constants: attributes of each node that are not numbers drawn from a
            distribution (``mutable``, ``immutable``, ``size``, ...), for export.
        parents: int64 [N], -1 for the root.
        features: names of the F features.
        maximum: float32 [N, F], the value that the feature 1.0 stands for; 0 where the
            node lacks the feature.
        mutable: bool [N, F], the entries that a generator may change.
        attributes: what is known of the attributes, from the renderer.
        sources: int64 [N], the node of the grammar that each is; the copies of one that comes
            several times share it, and are interchangeable. None: all differ.
        drawn: how often the classes and counts of each node of the grammar come.
    """

    class_names: tuple[str | int, ...]
    node_names: tuple[str, ...]
    node_constants: tuple[dict[str, Any], ...]
    parents: np.ndarray
    features: tuple[str, ...]
    maximum: np.ndarray
    mutable: np.ndarray
    attributes: NodeAttributes = field(default_factory=dict)
    sources: np.ndarray | None = None
    drawn: tuple[DrawnShares, ...] = ()

    @property
    def repeated(self) -> bool:
        """Whether a node of the grammar may come several times, or not at all."""
        return self.sources is not None and len(set(self.sources.tolist())) < len(self.sources)

    @property
    def source_of(self) -> np.ndarray:
        """The node of the grammar that each node is: int64 [N], from 0 without a gap."""
        return np.arange(len(self.parents)) if self.sources is None else self.sources

    @property
    def firsts(self) -> np.ndarray:
        """The first node of each of the G nodes of the grammar: int64 [G]."""
        return np.unique(self.source_of, return_index=True)[1]

    @property
    def slot_of(self) -> np.ndarray:
        """The number of each node among those of its source, from 0: int64 [N]."""
        sources = self.source_of.tolist()
        return np.array([sources[:n].count(source) for n, source in enumerate(sources)])

    @property
    def adjacency(self) -> np.ndarray:
        """Symmetric adjacency of the nodes without self loops: float32 [N, N]."""
        matrix = np.zeros((len(self.parents),) * 2, dtype=np.float32)
        for child, parent in enumerate(self.parents):
            if parent >= 0:
                matrix[child, parent] = matrix[parent, child] = 1
        return matrix

    @property
    def period(self) -> np.ndarray:
        """Period of each entry in the attribute's own unit, 0 for a line: float32 [N, F]."""
        nodes, features = self.maximum.shape
        return np.array(
            [[self.attribute(n, f).period for f in range(features)] for n in range(nodes)],
            dtype=np.float32,
        ).reshape(nodes, features)

    def attribute(self, node: int, feature: int) -> Attribute:
        """Return what is known of an entry; one that nobody described is a number on a line."""
        of_node = self.attributes.get(self.node_names[node], {})
        return of_node.get(self.features[feature], UNKNOWN)

    @property
    def node_keys(self) -> tuple[str, ...]:
        """Names of the nodes, numbered where several have one: ``Scene``, ``Car1``, ``Car2``."""
        return _numbered(self.node_names)

    @property
    def source_keys(self) -> tuple[str, ...]:
        """Names of the G nodes of the grammar, numbered where several have one."""
        return _numbered([self.node_names[n] for n in self.firsts])

    def entry_name(self, node: int, feature: int) -> str:
        """Return the shortest unambiguous name: ``yaw``, ``object.yaw`` or ``object2.yaw``.

        Copies of one node of the grammar have the same.
        """
        name = self.features[feature]
        if int(self.mutable[self.firsts, feature].sum()) <= 1:
            return name
        return f"{self.source_keys[self.source_of[node]]}.{name}"

    @property
    def places(self) -> list[tuple[str, int]]:
        """The key of each node's node in the grammar, and its number among the copies."""
        keys, slots = self.source_keys, self.slot_of
        return [(keys[s], int(slot)) for s, slot in zip(self.source_of, slots, strict=True)]

    def entries(self) -> list[tuple[int, int]]:
        """Return the (node, feature) pairs of all mutable entries."""
        return [(int(n), int(f)) for n, f in np.argwhere(self.mutable)]

    def with_mutable(self, mutable: np.ndarray) -> SceneGraphLayout:
        """Return the layout with another set of mutable entries."""
        return replace(self, mutable=mutable)


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        f"{name}{1 + names[:n].count(name)}" if names.count(name) > 1 else name
        for n, name in enumerate(names)
    )


@dataclass(frozen=True, eq=False)
class SceneGraphBatch:
    """B scene graphs of one layout.

    Attributes:
        layout: what the graphs share.
        classes: int64 [B, N], indices into ``layout.class_names``, ``ABSENT`` where the node is
            not there: a grammar that draws a count has as many nodes as can be.
        features: float32 [B, N, F], values divided by ``layout.maximum``; of a node that is not
            there those that it would have.
        seeds: int64 [B], the seed of each scene's own noise in the renderer.
    """

    layout: SceneGraphLayout
    classes: np.ndarray
    features: np.ndarray
    seeds: np.ndarray

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def present(self) -> np.ndarray:
        """Which nodes are there: bool [B, N]."""
        return self.classes != ABSENT

    def __getitem__(self, index: slice | np.ndarray | list[int]) -> SceneGraphBatch:
        return SceneGraphBatch(
            self.layout, self.classes[index], self.features[index], self.seeds[index]
        )

    @classmethod
    def joined(cls, parts: Sequence[SceneGraphBatch]) -> SceneGraphBatch:
        """Return the graphs of all parts, one after the other; they are of one layout."""
        names = ("classes", "features", "seeds")
        arrays = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
        return cls(parts[0].layout, *arrays)

    def with_features(self, features: np.ndarray) -> SceneGraphBatch:
        """Return the batch with other features, float32 [B, N, F]."""
        return replace(self, features=np.asarray(features, dtype=np.float32))

    def repeat(self, count: int) -> SceneGraphBatch:
        """Return the batch ``count`` times over: graph b at b, B + b, 2 B + b, ..."""
        return self[np.tile(np.arange(len(self)), count)]

    def values(self) -> np.ndarray:
        """Return the features in the attributes' own units: float32 [B, N, F]."""
        return self.features * self.layout.maximum

    def find(self, class_name: str, feature: str) -> np.ndarray | None:
        """Return the values [B] of a feature of the only node named ``class_name``, or None.

        Raises:
            UserError: several nodes have this name.
        """
        if class_name not in self.layout.node_names or feature not in self.layout.features:
            return None
        if self.layout.node_names.count(class_name) > 1:
            raise UserError(f"the grammar has several nodes '{class_name}', one is expected")
        return self.of_node(self.layout.node_names.index(class_name), feature)

    def of_node(self, node: int, feature: str) -> np.ndarray | None:
        """Return the values [B] of a feature of a node, or None where it lacks that."""
        if feature not in self.layout.features:
            return None
        index = self.layout.features.index(feature)
        if self.layout.maximum[node, index] == 0:
            return None
        return self.features[:, node, index] * self.layout.maximum[node, index]

    def to_networkx(self, index: int) -> networkx.Graph:
        """Return one graph as the published code represents it.

        Each node has ``cls`` and ``attr``; every numeric attribute ``k`` comes with ``k_max``.
        """
        import networkx  # noqa: PLC0415  the workflow reads this module while it plans

        graph = networkx.Graph()
        values = self.values()[index]
        for node, constants in enumerate(self.layout.node_constants):
            if self.classes[index, node] == ABSENT:
                continue
            attributes = dict(constants)
            for feature, name in enumerate(self.layout.features):
                maximum = float(self.layout.maximum[node, feature])
                if maximum:
                    attributes[name] = float(values[node, feature])
                    attributes[f"{name}_max"] = maximum
            class_name = self.layout.class_names[int(self.classes[index, node])]
            graph.add_node(node, cls=class_name, attr=attributes)
            if self.layout.parents[node] >= 0:
                graph.add_edge(int(self.layout.parents[node]), node)
        return graph

    def to_node_link(self, index: int) -> dict[str, Any]:
        """Return one graph as node-link data with plain JSON types, edges under ``links``."""
        from networkx import node_link_data  # noqa: PLC0415

        return node_link_data(self.to_networkx(index), edges="links")


def in_layout_of(model: SceneGraphBatch, graphs: SceneGraphBatch) -> SceneGraphBatch:
    """Return graphs of another grammar with nodes and features ordered like the model's.

    Nodes are found by the key of their node in the grammar and their number among its copies,
    features by name; what the other grammar lacks has the feature 0, and is not there where its
    number is drawn.
    """
    layout, other = model.layout, graphs.layout
    classes = np.zeros((len(graphs), len(layout.node_names)), dtype=np.int64)
    features = np.zeros((len(graphs), *layout.maximum.shape), dtype=np.float32)
    values, index_of = graphs.values(), {name: i for i, name in enumerate(layout.class_names)}
    places = {place: n for n, place in enumerate(other.places)}
    for node, place in enumerate(layout.places):
        source = places.get(place)
        if source is None:
            classes[:, node] = ABSENT if place[1] else 0
            continue
        names = [index_of.get(name, 0) for name in other.class_names]
        found = np.array(names)[graphs.classes[:, source]]
        classes[:, node] = np.where(graphs.present[:, source], found, ABSENT)
        for feature, name in enumerate(layout.features):
            if name in other.features and layout.maximum[node, feature] > 0:
                column = other.features.index(name)
                features[:, node, feature] = (
                    values[:, source, column] / layout.maximum[node, feature]
                )
    return SceneGraphBatch(layout, classes, features, graphs.seeds)
