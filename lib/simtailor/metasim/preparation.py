"""What comes before the epochs: pre-training, or the search and its start, and the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from simtailor.metasim.descent import Descent
from simtailor.metasim.generator import NO_SPREAD
from simtailor.metasim.generators import PRIOR_SAMPLE
from simtailor.metasim.graph_convolutional import GraphConvolutionalGenerator
from simtailor.metasim.journal import Journal
from simtailor.metasim.progress import Weights
from simtailor.metasim.search.population import PopulationSearch
from simtailor.metasim.search.view import View
from simtailor.metasim.starts.candidates import Candidate, starts_from
from simtailor.metasim.starts.contest import choose_start
from simtailor.metasim.starts.policy import STARTS
from simtailor.metasim.starts.regression import start_by_regression
from simtailor.metasim.transport import TransportGenerator
from simtailor.scene.graph import SceneGraphLayout

PRETRAINING_SCENES, PRETRAINING_RATE = 1000, 1e-2  # of generator 'gcn', as published
STEP_SCENES = 16  # scenes whose response chooses the steps of the differences

Report = Callable[[str], None]


class Preparation:
    """Puts the generator where the epochs start.

    Args:
        descent: of the training, whose generator and objective are prepared.
        placeless: whether the features mean no place, so that scenes match no picture.
        report: receives lines.
    """

    def __init__(self, descent: Descent, placeless: bool, report: Report) -> None:
        self.generator, self.objective = descent.generator, descent.objective
        self.descent, self.scenes, self.settings = descent, descent.scenes, descent.settings
        self.placeless, self.report = placeless, report

    def report_entries(self, wanted: SceneGraphLayout) -> None:
        """Say of which entries that the grammar lets change nothing, or not all, is fitted."""
        layout = self.generator.layout
        for node, feature in np.argwhere(wanted.mutable & ~layout.mutable):
            name = wanted.entry_name(node, feature)
            self.report(f"{name} is mutable in the grammar, but the renderer does not look at it")
        for entry in layout.entries():
            if float(self.generator.spread[entry]) <= NO_SPREAD:
                self.report(
                    f"{layout.entry_name(*entry)} has no spread in the grammar: its mean is "
                    "fitted, and no spread"
                )

    def run(self, notes: dict[str, Any], journal: Journal) -> Weights:
        """Place the generator, note what was decided, and return the weights of no training."""
        untrained = self.generator.weights()
        if isinstance(self.generator, GraphConvolutionalGenerator):
            self._pretrain(self.generator)
            untrained = self.generator.weights()
        elif isinstance(self.generator, TransportGenerator) and self.settings.search.rounds:
            if self.placeless:
                notes["start"] = start_by_regression(
                    self.generator, self.objective, self.scenes, self.report
                )
            else:
                notes["start"] = self._search(self.generator, journal)
        steps = self._choose_steps()
        if steps is not None:
            notes["steps"] = steps
        return untrained

    def _pretrain(self, generator: GraphConvolutionalGenerator) -> None:
        """Reconstruct the prior (published: one epoch of 1,000 scenes)."""
        optimiser = torch.optim.Adam(generator.parameters(), lr=PRETRAINING_RATE)
        for epoch in range(self.settings.pretraining_epochs):
            graphs = self.scenes.sample("pretraining", PRETRAINING_SCENES, epoch)
            size = self.settings.batch_size
            for start in range(0, len(graphs), size):
                loss = generator.reconstruction_loss(graphs[start : start + size])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            error = float(loss.detach())
            self.report(f"pre-training epoch {epoch + 1}: reconstruction error {error:.2e}")

    def _search(self, generator: TransportGenerator, journal: Journal) -> dict[str, Any]:
        """Search where the target lies, start there, and return how the start was chosen."""
        objective, random = self.objective, self.scenes.random("search")
        count = len(objective.target[0])
        chosen = random.permutation(count)[: self.settings.search.images]
        images = [level[torch.from_numpy(chosen)] for level in objective.target]
        view = View(objective.renderer, objective.describe, images)
        search = PopulationSearch(generator, view, self.settings.search, objective.steps, random)
        prior = self.scenes.sample("search", max(search.scenes_a_round, PRIOR_SAMPLE))
        matches = search.run(prior, self.report, journal)
        starts = starts_from(matches, generator, objective.renderer, prior)
        graphs = prior[: STARTS.scenes]
        scenes = self.settings.validation_scenes
        tolerance = objective.tolerance(scenes, self.scenes.random("tolerance"))

        def discrepancy() -> float:
            with torch.no_grad():
                moved = self.scenes.redrawn(graphs, "start", generator)
                return objective.value(moved, generator(moved))

        return choose_start(
            [Candidate("prior", lambda: None), *starts],
            generator,
            discrepancy,
            self.descent.trial,
            # How much a discrepancy varies by chance falls with the number of scenes.
            tolerance * scenes / STARTS.scenes,
            self.report,
            journal=journal,
        )

    def _choose_steps(self) -> dict[str, Any] | None:
        """Widen the steps of entries to which the image hardly responds; report blind ones."""
        layout = self.generator.layout
        graphs = self.scenes.sample("steps", STEP_SCENES, generator=self.generator)
        graphs = self.generator.changed(graphs)
        responses = self.objective.widen_steps(graphs)
        if responses is None:
            return None
        steps = {}
        for node, feature in layout.entries():
            name = layout.entry_name(node, feature)
            unit = layout.attribute(node, feature).unit
            step = float(self.objective.steps[node, feature] * layout.maximum[node, feature])
            response = float(responses[node, feature])
            steps[name] = {"step": step, "response": response}
            self.report(f"step of {name}: {step:.4g} {unit}, {response:.1f} grey levels")
            if response == 0:
                self.report(f"{name} is blind: a step of {step:.4g} changes no picture")
        return steps
