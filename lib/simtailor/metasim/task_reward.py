"""The reward of a generator: how well a task network does that its images have trained."""

from __future__ import annotations

import torch

from simtailor.metasim.generator import Generator
from simtailor.metasim.labels import LabelledImages
from simtailor.metasim.prior_scenes import PriorScenes
from simtailor.metasim.task_network import accuracy, train_task_network
from simtailor.metasim.task_settings import Task
from simtailor.metasim.task_table import labelled_scenes
from simtailor.render.renderer import Renderer


class TaskReward:
    """Accuracy on the validation part of a network trained on fixed scenes.

    Args:
        settings: of the task.
        names: sorted class names that labels index.
        renderer: draws the scenes.
        scenes: of the prior.
        validation: this part of the target.
        device: of the network.
    """

    def __init__(
        self,
        settings: Task,
        names: tuple[str, ...],
        renderer: Renderer,
        scenes: PriorScenes,
        validation: LabelledImages,
        device: torch.device,
    ) -> None:
        self.settings, self.names, self.renderer = settings, names, renderer
        self.scenes, self.validation, self.device = scenes, validation, device

    def of(self, generator: Generator) -> float:
        """Return the accuracy in [0, 1]."""
        graphs = generator.changed(self.scenes.batch("reward", self.settings.scenes))
        data = labelled_scenes(self.renderer, graphs, self.names)
        network = train_task_network(
            self.settings.network,
            data.images,
            data.labels,
            len(self.names),
            self.settings.training,
            int(self.scenes.random("reward network").integers(2**31)),
            str(self.device),
        )
        return accuracy(network, self.validation.images, self.validation.labels)

    def tolerance(self, reward: float) -> float:
        """Return the standard error of an accuracy on the validation part."""
        return (reward * (1 - reward) / len(self.validation.labels)) ** 0.5
