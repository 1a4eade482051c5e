"""Probabilistic scene grammar: the published JSON format, checked and sampled in batches.

The format is that of Meta-Sim (Kar et al., "Meta-Sim: Learning to Generate Synthetic
Datasets", ICCV 2019). A node has ``class``, ``attributes``, ``num_child`` and ``child``:

- ``class``: ``["Deterministic", name]`` or ``["Random", [name, ...]]`` (equally likely);
- an attribute: ``["Deterministic", value, _, maximum]``, ``["Gaussian", mean, std, maximum]``
  or ``["Uniform", low, high, maximum]``; beyond the published ones ``["Mixture", [[weight, mean,
  std], ...], maximum]``; a few published names, such as ``texture``, may be constants, which are
  kept as they are;
- the root's attributes hold ``features`` (what graphs are encoded by) and ``mutable`` (what
  may be changed, in nodes whose ``immutable`` is false);
- ``num_child``: ``["Deterministic", count]``.

A file of YAML holds the same in a short form, see ``short_form``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from simtailor.errors import UserError
from simtailor.scene.attributes import UNKNOWN, NodeAttributes
from simtailor.scene.grammar_nodes import MalformedError, parse_nodes
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout
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
        for n, node in enumerate(self.nodes):
            choices = np.array([index_of_class[name] for name in node.classes])
            if len(choices) == 1:
                drawn = np.zeros(count, np.int64)
            elif hypercube == 1:
                drawn = random.integers(len(choices), size=count)
            else:
                drawn = _evenly(random, len(choices), cubes)
            classes[:, n] = choices[drawn]
        groups = _groups(cubes, classes) if hypercube > 1 else cubes
        for n, node in enumerate(self.nodes):
            known = self._attributes.get(node.name, {})
            for name, distribution in node.distributions.items():
                if name not in layout.features:
                    continue
                if hypercube == 1:
                    values = distribution.sample(random, count)
                else:
                    values = distribution.quantiles(_latin_shares(random, cubes, groups))
                if known.get(name, UNKNOWN).period:
                    values %= distribution.maximum
                features[:, n, layout.features.index(name)] = values / distribution.maximum
        return SceneGraphBatch(layout, classes, features, scene_seeds(random, count))

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
        )


def _evenly(random: np.random.Generator, choices: int, cubes: np.ndarray) -> np.ndarray:
    """Draw [n] indices below ``choices``, in each cube each as often as any other or once more."""
    ranks, _ = _ranks(random.uniform(size=len(cubes)), cubes)
    first = random.integers(choices, size=len(cubes))
    return (ranks + first[cubes]) % choices


def _groups(cubes: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return which graphs are of one cube and of equal classes, by number: int [n].

    Where these are not equally many, whole cubes: a scene alone in its class would lie in the
    middle of its cube more often than the grammar's scenes do.

    Args:
        cubes: int [n]; classes: int [n, N].
    """
    keys = np.column_stack([cubes, classes])
    groups = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    return groups if len(set(np.bincount(groups))) == 1 else cubes


def _latin_shares(random: np.random.Generator, cubes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Draw shares in (0, 1), one in each of as many equal ranges as a cube has members.

    Args:
        cubes: int [n], the Latin hypercube of each graph.
        groups: int [n], parts of the cubes; members of one get shares far apart.
    """
    count = len(cubes)
    rank, size = _ranks(random.uniform(size=count), groups)
    rank, size = _ranks((rank + random.uniform(size=count)) / size, cubes)
    # Rounding may bring a share to 0 or 1, which for a Gaussian lie infinitely far out.
    return ((rank + random.uniform(size=count)) / size).clip(1e-12, 1 - 1e-12)


def _ranks(values: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rank from 0 of each value in its group, and the group's size: int [n] each."""
    sizes = np.bincount(groups)
    ranks = np.empty(len(values), np.int64)
    first = np.repeat(sizes.cumsum() - sizes, sizes)
    ranks[np.lexsort((values, groups))] = np.arange(len(values)) - first
    return ranks, sizes[groups]
