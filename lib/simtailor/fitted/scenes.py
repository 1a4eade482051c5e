"""Scenes drawn from a fit: the prior's sample as the fitted generator changes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import load_file

from simtailor.errors import UserError
from simtailor.files import checksum, read_json
from simtailor.metasim.arranging import Arranger
from simtailor.metasim.generator import Generator
from simtailor.metasim.generators import make_generator
from simtailor.metasim.settings import Experiment
from simtailor.render.renderer import Renderer
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout
from simtailor.seeds import generator as random_generator

BLOCK = 64  # scenes drawn at a time, so that the size of a shard changes none
ERRORS_OF_INTERVAL = 2 * 1.96  # standard errors that a 95 % interval is wide
WEIGHTS, SETTINGS, SUMMARY = "generator.safetensors", "experiment.yaml", "summary.json"


@dataclass(frozen=True, eq=False)
class Fit:
    """The results of an experiment.

    Attributes:
        experiment: its settings; summary: its figures; weights: of the fitted generator.
        digest: tells these results from others, as far as scenes depend on them.
    """

    experiment: Experiment
    summary: dict[str, Any]
    weights: dict[str, torch.Tensor] = field(repr=False)
    digest: str

    @classmethod
    def read(cls, folder: str | Path) -> Fit:
        """Read the results directory of an experiment.

        Raises:
            UserError: a file of it is absent or cannot be read.
        """
        folder = Path(folder)
        try:
            settings = yaml.safe_load((folder / SETTINGS).read_text())
            experiment = Experiment.model_validate(settings)
            summary = read_json(folder / SUMMARY)
            weights = load_file(folder / WEIGHTS)
            digest = checksum(folder / WEIGHTS) + checksum(experiment.grammar)
        except Exception as error:
            raise UserError(
                f"{folder}: these are no whole results of an experiment ({error}); make them "
                f"again: ./run snakemake --force {folder}"
            ) from error
        return cls(experiment, summary, weights, digest)

    def uncertainty(self, layout: SceneGraphLayout) -> np.ndarray:
        """Return how uncertain each entry is, a spread in units of the features: float32 [N, F].

        It is the standard error of the mean, nearly a quarter of the 95 % interval's width, which
        is wider where the renderer does not look like the target. Where the fit states no interval,
        nothing says that it may be narrower than the prior: it is what its spread lacks of the
        prior's.
        """
        spreads = np.zeros(layout.maximum.shape, dtype=np.float32)
        for entry in layout.entries():
            row = self.summary["attributes"].get(layout.entry_name(*entry)) or {}
            generated, prior = row.get("generated") or {}, row.get("prior") or {}
            low, high = generated.get("mean_95") or (0, 0)
            spread = (high - low) / ERRORS_OF_INTERVAL
            if generated and prior and not generated.get("mean_95"):
                spread = float(np.sqrt(max(prior["std"] ** 2 - generated["std"] ** 2, 0)))
            spreads[entry] = spread / layout.maximum[entry]
        return spreads


class FittedScenes:
    """Draws any number of scenes from a fit; a scene depends on the seed and its number alone.

    Args:
        fit: where the generator comes from.
        grammar: of the experiment; renderer: that draws the scenes.
        seed: of the data set; widen: see ``Datasets``.
        as_prior: names of nodes whose attributes stay as the prior has them; None: all of them.

    Attributes:
        noise: standard deviation of what widens the fit, in units of the features: float32 [N, F].

    Raises:
        UserError: the weights are those of another generator.
    """

    def __init__(
        self,
        fit: Fit,
        grammar: Grammar,
        renderer: Renderer,
        seed: int,
        widen: float,
        as_prior: Collection[str] | None = (),
    ) -> None:
        self._grammar, self._seed = grammar, seed
        self._generator: Generator = make_generator(fit.experiment, grammar, renderer)
        if set(fit.weights) != set(self._generator.state_dict()):
            raise UserError(
                "an older version trained another kind of generator; make the results of the "
                "experiment again with --force"
            )
        self._generator.load_state_dict(fit.weights)
        self._arranger = Arranger(grammar, renderer)
        self.noise = widen * fit.uncertainty(self.layout)
        names = self.layout.node_names
        self._as_prior = np.array([as_prior is None or name in as_prior for name in names])
        self._last: tuple[int, SceneGraphBatch] | None = None

    @property
    def layout(self) -> SceneGraphLayout:
        """What all scenes share."""
        return self._generator.layout

    def take(self, indices: np.ndarray) -> SceneGraphBatch:
        """Return the scenes with these numbers, int [B], which ascend."""
        parts = []
        for number in np.unique(indices // BLOCK):
            block = self._block(int(number))
            parts.append(block[indices[indices // BLOCK == number] % BLOCK])
        return SceneGraphBatch.joined(parts)

    def _block(self, number: int) -> SceneGraphBatch:
        if self._last is None or self._last[0] != number:
            drawn = self._grammar.sample(BLOCK, random_generator(self._seed, "data set", number))
            prior = SceneGraphBatch(self.layout, drawn.classes, drawn.features, drawn.seeds)
            random = random_generator(self._seed, "data set, widened", number)
            noise = random.standard_normal(prior.features.shape).astype(np.float32) * self.noise

            def moved(graphs: SceneGraphBatch, rows: np.ndarray) -> SceneGraphBatch:
                with torch.no_grad():
                    changed = self._generator(graphs) + torch.from_numpy(noise[rows])
                    features = self._generator.finish(changed, torch.from_numpy(graphs.features))
                kept = self._as_prior[:, None]
                return graphs.with_features(np.where(kept, graphs.features, features.numpy()))

            random = random_generator(self._seed, "data set, arranged", number)
            if not self._as_prior.all():
                prior = self._generator.redrawn(prior)
            prior = self._arranger.arranged(prior, random, moved)
            self._last = number, moved(prior, np.arange(len(prior)))
        return self._last[1]


def attributes_of(
    graphs: SceneGraphBatch, effective: np.ndarray
) -> list[dict[str, dict[str, float]]]:
    """Return the attributes of each scene in their own units, by the key of their node.

    Args:
        effective: bool [N, F], the entries that the renderer looks at.
    """
    layout, values = graphs.layout, graphs.values().astype(np.float64).round(4)
    entries = [(int(n), int(f)) for n, f in np.argwhere(effective)]
    scenes: list[dict[str, dict[str, float]]] = []
    for scene in values:
        nodes: dict[str, dict[str, float]] = {}
        for node, feature in entries:
            of_node = nodes.setdefault(layout.node_keys[node], {})
            of_node[layout.features[feature]] = float(scene[node, feature])
        scenes.append(nodes)
    return scenes


def units_of(layout: SceneGraphLayout, effective: np.ndarray) -> Mapping[str, str]:
    """Return the unit of every attribute that the renderer looks at, by ``node.attribute``."""
    return {
        f"{layout.node_keys[n]}.{layout.features[f]}": layout.attribute(n, f).unit
        for n, f in np.argwhere(effective)
    }
