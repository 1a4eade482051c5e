"""Regression: the attributes of a scene, from its picture.

Several values may look alike: a box that is turned by half a circle is the same picture. So a
picture has one or several sets of values, all of them right; a network is judged by the nearest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from simtailor.errors import UserError
from simtailor.metasim.labels import object_classes
from simtailor.metasim.settings import Experiment
from simtailor.render.renderer import Renderer, nearest_equivalent
from simtailor.scene.attributes import mean_and_spread, wrapped
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout
from simtailor.worth.examples import Examples
from simtailor.worth.kind import About, Kind, PhotographLabels, Rows
from simtailor.worth.label_tables import TABLE, read_label_table

VALUES, KNOWN = "values", "known"
ALL = "all, mean in spreads"
LEAST_SPREAD = 1e-9  # of a target that varies


class Regression(Kind):
    """Tells the attributes of a scene."""

    measure: ClassVar[str] = "median error"
    lower: ClassVar[bool] = True
    title: ClassVar[str] = "Regression of attributes"
    heads: ClassVar[tuple[str, ...]] = ("in spreads of the target", "90th percentile")

    def about(self, experiment: Experiment) -> About:
        """Return the attributes that the grammar lets vary and the renderer looks at.

        Raises:
            UserError: there are none, or they belong to interchangeable objects.
        """
        layout = experiment.read_grammar(experiment.grammar).layout
        if layout.repeated:
            raise UserError(
                f"{experiment.grammar}: this grammar draws how many objects there are, so no "
                "picture has one yaw or place to be told. Ask for results/segmentation instead, or "
                "for an experiment with one object."
            )
        entries = _entries(experiment, layout)
        if not entries:
            raise UserError(
                f"{experiment.grammar}: nothing that the renderer '{experiment.contract.name}' "
                "draws is listed as 'mutable', so there is nothing to tell from a picture. List "
                "attributes there."
            )
        known = {layout.entry_name(*entry): layout.attribute(*entry) for entry in entries}
        return [
            {"name": name, "unit": one.unit, "period": one.period, "look": one.look}
            for name, one in known.items()
        ]

    def labels_in(self, folder: str | Path, about: About) -> PhotographLabels:
        """Return the values in labels.csv."""
        table = read_label_table(folder, [one["name"] for one in about])
        named = {one["name"]: one for one in about}
        sources = [Path(folder, TABLE), *table.files.values()]
        about = [named[name] for name in table.attributes]
        return PhotographLabels(about, table.files, sources, table.values)

    def of_photographs(
        self, given: Sequence[Any], about: About, experiment: Experiment, renderer: Renderer
    ) -> dict[str, np.ndarray]:
        """Return the values of photographs, with those that look alike of a known class."""
        values = np.stack(given)
        grammar = experiment.read_grammar(experiment.grammar)
        if len(object_classes(grammar)) > 1:  # which of them is seen, the table does not say
            return {VALUES: values[:, None], KNOWN: np.ones(values.shape, bool)}
        graphs = grammar.sample(len(values), np.random.default_rng(0))
        nodes, features = _places(graphs.layout, about, experiment)
        changed = graphs.features.copy()
        changed[:, nodes, features] = values / graphs.layout.maximum[nodes, features]
        return self.of_scenes(graphs.with_features(changed), None, about, experiment, renderer)

    def of_scenes(
        self,
        graphs: SceneGraphBatch,
        masks: np.ndarray | None,
        about: About,
        experiment: Experiment,
        renderer: Renderer,
    ) -> dict[str, np.ndarray]:
        """Return the values of scenes, those that look alike beside each other.

        Returns:
            ``values`` float64 [n, K, E] in the attributes' own units, and ``known`` bool [n, E],
            False where no picture tells a value.
        """
        nodes, features = _places(graphs.layout, about, experiment)
        maximum = graphs.layout.maximum[nodes, features]
        periods = np.array([one["period"] for one in about])
        own = graphs.values()[:, nodes, features]
        middle = np.array(
            [mean_and_spread(v, float(p))[0] for v, p in zip(own.T, periods, strict=True)]
        )
        # Half a turn further on, what looks alike is nearest in another form, if it has one.
        turned = [middle + np.eye(len(about))[i] * periods[i] / 2 for i in np.flatnonzero(periods)]
        found: list[np.ndarray] = []
        known = np.ones(own.shape, bool)
        for place in (middle, *turned):
            reference = graphs.features.mean(0)
            reference[nodes, features] = place / maximum
            same = nearest_equivalent(renderer, graphs, reference)
            found.append(same.graphs.values()[:, nodes, features].astype(np.float64))
            known &= same.identified[:, nodes, features]
        return {VALUES: np.stack(found, 1), KNOWN: known}

    def judged(self, guesses: Sequence[np.ndarray], test: Examples) -> Rows:
        """Return how large the errors are, by attribute: median and 90th percentile."""
        _, spreads = spreads_of(test)
        scales = np.where(np.isnan(spreads), 1.0, spreads)
        errors = [errors_of(guessed, test, scales) for guessed in guesses]
        rows: Rows = {}
        for e, about in enumerate(test.about):
            if not test.labels[KNOWN][:, e].any():
                continue
            medians, ends = (
                [float(np.nanquantile(error[:, e], q)) for error in errors] for q in (0.5, 0.9)
            )
            spread = None if np.isnan(spreads[e]) else float(spreads[e])
            rows[about["name"]] = {
                "value": medians, "p90": ends, "spread": spread, "unit": about["unit"],
            }  # fmt: skip
        told = [row for row in rows.values() if row["spread"]]
        if len(told) > 1:
            means = np.mean([np.array(row["value"]) / row["spread"] for row in told], 0)
            rows[ALL] = {"value": means.tolist(), "spread": 1.0, "unit": ""}
        return rows

    def without_network(self, test: Examples) -> Rows:
        """Return the errors of one who always says the target's mean."""
        means, _ = spreads_of(test)
        return self.judged([np.tile(means, (len(test), 1))], test)

    def cells(self, row: Mapping[str, Any]) -> list[str]:
        """Return the median error in spreads of the target, and the 90th percentile."""
        spread = row["spread"]
        of_target = f"{np.mean(row['value']) / spread:.3g}" if spread else ""
        return [of_target, f"{np.mean(row['p90']):.3g}" if "p90" in row else ""]


def _entries(experiment: Experiment, layout: SceneGraphLayout) -> list[tuple[int, int]]:
    effective = experiment.contract.effective(layout)
    return [entry for entry in layout.entries() if effective[entry]]


def _places(
    layout: SceneGraphLayout, about: About, experiment: Experiment
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes and features of the attributes: int [E] each."""
    found = {layout.entry_name(*entry): entry for entry in _entries(experiment, layout)}
    nodes, features = np.array([found[one["name"]] for one in about]).T
    return nodes, features


def errors_of(guessed: np.ndarray, examples: Examples, spreads: np.ndarray) -> np.ndarray:
    """Return how far guesses are from the nearest values, NaN where nobody can tell: [n, E].

    Args:
        guessed: [n, E] in the attributes' own units; spreads: [E], by which the nearest is chosen.
    """
    values, known = examples.labels[VALUES], examples.labels[KNOWN]
    off = np.stack(
        [
            np.abs(wrapped(guessed[:, None, e] - values[:, :, e], about["period"]))
            for e, about in enumerate(examples.about)
        ],
        -1,
    )
    nearest = np.where(known[:, None], off / spreads, 0).sum(-1).argmin(1)
    return np.where(known, off[np.arange(len(off)), nearest], np.nan)


def spreads_of(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Return means and spreads of the values, around the circle for angles: [E] each.

    A spread of 0, where all values are the same, is NaN.
    """
    found = []
    for e, about in enumerate(examples.about):
        values = examples.labels[VALUES][examples.labels[KNOWN][:, e], 0, e]
        found.append(mean_and_spread(values, about["period"]) if len(values) else (0.0, 0.0))
    means, spreads = np.array(found).T
    return means, np.where(spreads > LEAST_SPREAD, spreads, np.nan)
