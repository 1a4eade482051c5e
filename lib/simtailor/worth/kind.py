"""What is asked of a kind of task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from simtailor.metasim.settings import Experiment
from simtailor.render.renderer import Renderer
from simtailor.scene.graph import SceneGraphBatch
from simtailor.worth.examples import Examples

About = list[dict[str, Any]]
# By what is judged: ``value`` and more, one entry a network.
Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True, eq=False)
class PhotographLabels:
    """The labels of a folder of photographs.

    Attributes:
        about: what they are of, see ``Examples``.
        files: each labelled picture, by its name without suffix.
        sources: the files that labels are in; given: the labels by name, of the kind's own type.
    """

    about: About
    files: dict[str, Path]
    sources: list[Path]
    given: Mapping[str, Any]


class Kind(ABC):
    """A kind of task: what pictures are labelled with, and how guesses are judged.

    Attributes:
        parts: of renderings, that labels are made of.
        measure: what ``value`` of the rows is; lower: whether less of it is better.
        title: of tables; heads: what these say beside ``value``.
    """

    parts: ClassVar[tuple[str, ...]] = ()
    measure: ClassVar[str]
    lower: ClassVar[bool]
    title: ClassVar[str]
    heads: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def about(self, experiment: Experiment) -> About:
        """Return what can be judged in pictures of an experiment.

        Raises:
            UserError: nothing can.
        """

    @abstractmethod
    def labels_in(self, folder: str | Path, about: About) -> PhotographLabels:
        """Return the labels of photographs.

        Raises:
            UserError: they are absent or malformed.
        """

    @abstractmethod
    def of_photographs(
        self, given: Sequence[Any], about: About, experiment: Experiment, renderer: Renderer
    ) -> dict[str, np.ndarray]:
        """Return the labels of examples, of those given of photographs."""

    @abstractmethod
    def of_scenes(
        self,
        graphs: SceneGraphBatch,
        masks: np.ndarray | None,
        about: About,
        experiment: Experiment,
        renderer: Renderer,
    ) -> dict[str, np.ndarray]:
        """Return the labels of scenes in the layout of the experiment's grammar."""

    @abstractmethod
    def judged(self, guesses: Sequence[np.ndarray], test: Examples) -> Rows:
        """Return how good guesses of some networks are."""

    def without_network(self, test: Examples) -> Rows:
        """Return how good the best guess is that looks at no picture; nothing where it is idle."""
        return {}

    def cells(self, row: Mapping[str, Any]) -> list[str]:
        """Return what the table says beside ``value``, for the columns ``heads``."""
        return []
