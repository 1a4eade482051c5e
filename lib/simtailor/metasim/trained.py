"""An experiment after its training, as its results see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from simtailor.errors import UserError
from simtailor.metasim.arranging import Arranger
from simtailor.metasim.features import FeatureExtractor, features_of
from simtailor.metasim.generators import make_generator
from simtailor.metasim.prior_scenes import PriorScenes
from simtailor.metasim.progress import Progress
from simtailor.metasim.settings import Experiment
from simtailor.metasim.target import TargetImages, render_images, split_target, target_scenes
from simtailor.render.renderer import Renderer
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch, in_layout_of
from simtailor.seeds import generator as random_generator


@dataclass(eq=False)
class TrainedExperiment:
    """An experiment after its training: what each epoch's generator makes of fixed graphs."""

    name: str
    experiment: Experiment
    grammar: Grammar
    renderer: Renderer
    features: FeatureExtractor
    device: str
    target: TargetImages
    folder: Path

    def __post_init__(self) -> None:
        self.seed = int(self.experiment.seed or 0)
        self.generator = make_generator(self.experiment, self.grammar, self.renderer)
        self.layout = self.generator.layout
        self.progress = Progress.read(self.folder)
        if set(self.progress.weights[0]) != set(self.generator.state_dict()):
            raise UserError(
                f"{self.folder}: an older version trained another kind of generator; delete the "
                "folder and run again"
            )
        self.parts = split_target(len(self.target.images), self.experiment.evaluation, self.seed)
        count = self.experiment.evaluation.scenes
        prior = self.grammar.sample(count, random_generator(self.seed, "evaluation"))
        prior = SceneGraphBatch(self.layout, prior.classes, prior.features, prior.seeds)
        self._arranger = Arranger(self.grammar, self.renderer)
        random = random_generator(self.seed, "evaluation, arranged")
        self.prior = self._arranger.arranged(prior, random)

    @property
    def title(self) -> str:
        """What figures are headed by."""
        return f"{self.name}, seed {self.seed}"

    @property
    def best(self) -> int:
        """The epoch whose generator is the result."""
        return self.progress.best

    def graphs(self, epoch: int, count: int | None = None) -> SceneGraphBatch:
        """Return (the first ``count``) evaluation graphs as an epoch's generator changes them.

        Epoch 0 is the prior itself for ``transport``, the reconstruction for ``gcn``.
        """
        self.generator.load_state_dict(self.progress.weights[epoch])
        random = random_generator(self.seed, "evaluation, redrawn")
        graphs = self._arranger.redrawn(self.prior[:count], self.generator, random)
        return self.generator.changed(graphs)

    @property
    def arranging(self) -> dict[str, float]:
        """How many scenes were drawn again, so that no object sinks into another; {} if none is."""
        return self._arranger.note

    def even_graphs(self, count: int) -> SceneGraphBatch:
        """Return graphs of the result in one Latin hypercube, which stand for it evenly."""
        scenes = PriorScenes(self.grammar, self.layout, self.seed, count, self._arranger)
        self.generator.load_state_dict(self.progress.weights[self.best])
        graphs = scenes.sample("intervals", count, hypercube=count, generator=self.generator)
        return self.generator.changed(graphs)

    @property
    def steps(self) -> np.ndarray:
        """Steps at which the pictures responded well, in units of the features, else 0: [N, F]."""
        steps = np.zeros(self.layout.mutable.shape)
        noted = self.progress.notes.get("steps", {})
        for entry in self.layout.entries():
            step = noted.get(self.layout.entry_name(*entry), {"step": 0.0})["step"]
            steps[entry] = step / self.layout.maximum[entry]
        return steps

    def features_of(self, graphs: SceneGraphBatch) -> list[torch.Tensor]:
        """Render graphs and return the features of the images."""
        images = render_images(self.renderer, graphs)
        return features_of(self.features, images, self.device)

    def target_graphs(self) -> SceneGraphBatch | None:
        """Return the target's hidden graphs in the prior's layout; None for a folder."""
        if self.target.features is None:
            return None
        grammar = self.experiment.read_grammar(str(self.experiment.target.grammar))
        drawn = target_scenes(grammar, self.renderer, len(self.target.images), self.seed)
        if not np.array_equal(drawn.features, self.target.features):
            raise UserError(
                f"{grammar.source}: its scenes are not those of the target images, which an "
                f"older version drew; delete {self.folder.parent} and run again"
            )
        return in_layout_of(self.prior, drawn)

    @property
    def key_epochs(self) -> list[int]:
        """Epochs to show: dense at the start, where most happens, both ends included."""
        last = self.progress.epoch
        count = min(self.experiment.evaluation.key_epochs, last + 1)
        chosen = {round(last * (i / max(count - 1, 1)) ** 2) for i in range(count)}
        for epoch in range(last + 1):  # squares that round to the same epoch leave room
            if len(chosen) >= count:
                break
            chosen.add(epoch)
        # The epoch that is taken is shown, if need be instead of its nearest neighbour.
        between = chosen - {0, last, self.best}
        if self.best not in chosen and between:
            chosen.remove(min(between, key=lambda epoch: abs(epoch - self.best)))
        return sorted(chosen | {self.best})
