"""Probabilistic scene grammar: the published JSON format, checked and sampled in batches.

The format is that of Meta-Sim (Kar et al., "Meta-Sim: Learning to Generate Synthetic
Datasets", ICCV 2019). A node has ``class``, ``attributes``, ``num_child`` and ``child``:

- ``class``: ``["Deterministic", name]`` or ``["Random", [name, ...]]``, equally likely, or, beyond
  the published format, with a list of weights behind;
- an attribute: ``["Deterministic", value, _, maximum]``, ``["Gaussian", mean, std, maximum]``
  or ``["Uniform", low, high, maximum]``; beyond the published ones ``["Mixture", [[weight, mean,
  std], ...], maximum]``; a few published names, such as ``texture``, may be constants, which are
  kept as they are;
- the root's attributes hold ``features`` (what graphs are encoded by) and ``mutable`` (what
  may be changed, in nodes whose ``immutable`` is false);
- ``num_child``: ``["Deterministic", count]``; beyond the published format how often the one child
  is there, see ``choices``, or a list with that of each child;
- ``mutable`` may hold ``class`` and ``num_child``: how often each class and count comes is learnt.

A file of YAML holds the same in a short form, see ``short_form``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.errors import UserError
from simtailor.scene.attributes import UNKNOWN, NodeAttributes
from simtailor.scene.grammar_nodes import CLASS, COUNT, MalformedError, parse_nodes
from simtailor.scene.graph import ABSENT, DrawnShares, SceneGraphBatch, SceneGraphLayout
from simtailor.scene.hypercube import groups_of, latin_shares
from simtailor.scene.short_form import expanded
from simtailor.seeds import scene_seeds
from simtailor.text_files import parse_json, read_text
from simtailor.yaml_files import line_of, read_yaml

NOTHING_KNOWN: NodeAttributes = {}


class Grammar:
    """A checked grammar that samples batches of scene graphs.

    Args:
        tree: the published format as nested dictionaries and lists.
        source: where the tree comes from, for error messages.
        attributes: what is known of the attributes, from the renderer that is to draw the
            scenes. Without it no attribute is an angle.

    Raises:
        UserError: the tree is malformed. The message names the source and the key.
    """

    def __init__(
        self, tree: Any, source: str = "grammar", attributes: NodeAttributes = NOTHING_KNOWN
    ) -> None:
        self.source, self._attributes = source, attributes
        self.nodes = parse_nodes(tree, source, attributes)
        self.layout = self._layout()

    @classmethod
    def read(cls, path: str | Path, attributes: NodeAttributes = NOTHING_KNOWN) -> Grammar:
        """Read a grammar file in the published JSON format, or in the short form of YAML."""
        if Path(path).suffix.lower() in (".yaml", ".yml"):
            return cls(expanded(read_yaml(path), attributes, str(path)), str(path), attributes)
        text = read_text(path)
        tree = parse_json(text, path)
        try:
            return cls(tree, str(path), attributes)
        except MalformedError as error:
            line = line_of(path, error.location) or 1
            raise UserError(f"{path}:{line}: {error.problem}") from None

    def sample(
        self, count: int, random: np.random.Generator, hypercube: int = 1
    ) -> SceneGraphBatch:
        """Sample ``count`` graphs.

        Angles are wrapped into [0, maximum). Other values are not clipped.

        Args:
            count: number of graphs.
            random: source of the numbers.
            hypercube: so many graphs at a time are a Latin hypercube (McKay et al., "A Comparison
                of Three Methods for Selecting Values of Input Variables", 1979), so that their
                means are nearly those of the grammar: every class comes as often as any other,
                and of every attribute there is one value in each of as many equally likely
                ranges. Where the classes divide the hypercube, each has its values far apart.
                Graphs of different hypercubes are independent. 1 draws every graph by itself.
        """
        layout = self.layout
        index_of_class = {name: i for i, name in enumerate(layout.class_names)}
        shape = (count, len(self.nodes))
        classes = np.zeros(shape, dtype=np.int64)
        features = np.zeros((*shape, len(layout.features)), dtype=np.float32)
        cubes = np.arange(count) // hypercube
        together = cubes if hypercube > 1 else None
        for n, node in enumerate(self.nodes):
            choices = np.array([index_of_class[name] for name in node.classes])
            classes[:, n] = choices[node.class_choices.sample(random, count, together)]
        groups = groups_of(cubes, classes) if hypercube > 1 else cubes
        for n, node in enumerate(self.nodes):
            known = self._attributes.get(node.name, {})
            for name, distribution in node.distributions.items():
                if name not in layout.features:
                    continue
                if hypercube == 1:
                    values = distribution.sample(random, count)
                else:
                    values = distribution.quantiles(latin_shares(random, cubes, groups))
                if known.get(name, UNKNOWN).period:
                    values %= distribution.maximum
                features[:, n, layout.features.index(name)] = values / distribution.maximum
        seeds = scene_seeds(random, count)
        if layout.repeated:
            classes[~self._present(random, count, together)] = ABSENT
        return SceneGraphBatch(layout, classes, features, seeds)

    def _present(
        self, random: np.random.Generator, count: int, cubes: np.ndarray | None
    ) -> np.ndarray:
        """Draw which nodes are there: bool [B, N]; without its parent none is."""
        present = np.ones((count, len(self.nodes)), dtype=bool)
        drawn: dict[tuple[int, int], np.ndarray] = {}  # of the copies that a parent has
        for n, node in enumerate(self.nodes):
            of_parent = node.parent, node.source
            if of_parent not in drawn:
                places = node.counts.sample(random, count, cubes)
                drawn[of_parent] = np.array(node.counts.values)[places]
            present[:, n] = node.slot < drawn[of_parent]
            if node.parent >= 0:
                present[:, n] &= present[:, node.parent]
        return present

    def _layout(self) -> SceneGraphLayout:
        class_names: dict[str | int, None] = {}  # a dictionary keeps the order, a set does not
        for node in self.nodes:
            class_names.update(dict.fromkeys(node.classes))
        root = self.nodes[0].constants
        # Numeric attributes that the root does not list travel along, so that exports are whole.
        names = dict.fromkeys(
            [*root["features"], *(d for n in self.nodes for d in n.distributions)]
        )
        features = tuple(name for name in names if name != "class")
        maximum = np.zeros((len(self.nodes), len(features)), dtype=np.float32)
        mutable = np.zeros(maximum.shape, dtype=bool)
        for n, node in enumerate(self.nodes):
            for f, name in enumerate(features):
                if name in node.distributions:
                    maximum[n, f] = node.distributions[name].maximum
                    mutable[n, f] = name in root["mutable"] and not node.constants["immutable"]
        return SceneGraphLayout(
            class_names=tuple(class_names),
            node_names=tuple(node.name for node in self.nodes),
            node_constants=tuple(node.constants for node in self.nodes),
            parents=np.array([node.parent for node in self.nodes], dtype=np.int64),
            features=features,
            maximum=maximum,
            mutable=mutable,
            attributes=self._attributes,
            sources=np.array([node.source for node in self.nodes], dtype=np.int64),
            drawn=self._drawn(class_names),
        )

    def _drawn(self, class_names: Iterable[str | int]) -> tuple[DrawnShares, ...]:
        """Return how often the classes and counts of each node of the grammar come."""
        index_of = {name: i for i, name in enumerate(class_names)}
        mutable, found = self.nodes[0].constants["mutable"], []
        for source, node in {node.source: node for node in self.nodes}.items():
            classes, counts = node.class_choices, node.counts
            indices = tuple(index_of[name] for name in classes.values)
            learnt = CLASS in mutable and node.learns_class
            found.append(DrawnShares(CLASS, source, indices, classes.shares, learnt))
            learnt = COUNT in mutable and node.learns_count
            found.append(DrawnShares(COUNT, source, counts.values, counts.shares, learnt))
        return tuple(found)
