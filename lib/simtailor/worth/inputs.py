"""What the workflow asks about the worth of a fit while it is planned."""

from __future__ import annotations

from typing import Any

from simtailor.errors import UserError, nearest_name
from simtailor.files import files_state
from simtailor.metasim.settings import Experiment
from simtailor.section import Section
from simtailor.seeds import SEED_SUFFIX
from simtailor.worth.kinds import KINDS
from simtailor.worth.settings import FIT, PRIOR, REAL, LabelledPhotographs, Worth

FEWEST_TESTS = 10  # photographs; an error of fewer says little
# Raised when the same settings give other results, so that those made before do not count.
WORTH_VERSION = 1


class Trial(Section):
    """What the networks of an experiment are tried on.

    Attributes:
        about: of each thing that is judged, plain values, ``name`` among them.
        photographs: of the user, or None where pictures of the target's grammar are drawn.
        state: digest of the photographs and their labels.
    """

    about: list[dict[str, Any]]
    photographs: LabelledPhotographs | None = None
    state: str = ""

    def of_source(self, source: str) -> Trial:
        """Return what the pictures of a source depend on."""
        return Trial(about=self.about) if source in (PRIOR, FIT) else self


def trial_of(kind: str, name: str, experiment: Experiment, worth: Worth) -> Trial:
    """Return what an experiment's networks are tried on, checked.

    Raises:
        UserError: there is nothing with labels, or the renderer gives no labels of this kind.
    """
    task = KINDS[kind]
    about = task.about(experiment)
    base = SEED_SUFFIX.sub("", name)
    photographs = worth.experiments.get(base)
    if photographs is None:
        if experiment.target.grammar is None:
            known = worth.experiments
            raise UserError(
                f"worth.experiments: no labelled photographs of '{base}'; known: "
                f"{', '.join(known) or 'none'}.{nearest_name(base, known)} Its target, "
                f"{experiment.target.source}, has no labels: give it the key 'folder' there "
                "(docs/worth.md)."
            )
        return Trial(about=about)
    labels = task.labels_in(photographs.folder, about)
    where = f"worth.experiments.{base}"
    if missing := set(photographs.train) - set(labels.files):
        raise UserError(
            f"{where}.train: {photographs.folder} has no labelled picture '{min(missing)}'."
            f"{nearest_name(min(missing), labels.files)} Name pictures without their suffix."
        )
    tests = len(labels.files) - len(photographs.train)
    if tests < FEWEST_TESTS:
        raise UserError(
            f"{where}.folder: {photographs.folder} has {tests} labelled pictures to try networks "
            f"on; at least {FEWEST_TESTS} are needed. Label more, or name fewer in 'train'."
        )
    return Trial(about=labels.about, photographs=photographs, state=files_state(labels.sources))


def trained_sources(worth: Worth, trial: Trial) -> list[str]:
    """Return what a network is trained on each: real labels only where there are some."""
    real = trial.photographs is None or bool(trial.photographs.train)
    return [source for source in worth.sources if source != REAL or real]


def picture_size(experiment: Experiment, most: int) -> int:
    """Return the width of the pictures in pixels, where ``most`` is asked for."""
    stage = experiment.stage.image_size
    return min(most, stage) if experiment.contract.resizable else stage
