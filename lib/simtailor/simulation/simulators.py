"""What draws the sets of a study, as ``task2sim.simulation.renderer`` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from simtailor.simulation.catalogue import Catalogue
from simtailor.simulation.catalogue import read_catalogue as read_packed
from simtailor.simulation.inputs import INCIDENTAL_KEYS
from simtailor.simulation.machine import Machine
from simtailor.simulation.settings import Simulation
from simtailor.simulation.tdw.machine import ThreeDWorldMachine
from simtailor.simulation.tdw.records import ThreeDWorldCatalogue
from simtailor.simulation.tdw.records import read_catalogue as read_records

AnyMachine = Machine | ThreeDWorldMachine
AnyCatalogue = Catalogue | ThreeDWorldCatalogue


class Job(Protocol):
    """A job that draws, as its script knows it: its values by name."""

    input: Any
    params: Any
    threads: int
    log: Sequence[str]
    config: Mapping[str, Any]


def simulator_of_job(
    job: Job, settings: Simulation, report: Callable[[str], None]
) -> tuple[AnyCatalogue, AnyMachine]:
    """Return the assets of a study and what draws them in a job, see ``simulator_of``."""
    machine = Machine(job.params.device, job.threads, job.params.cache)
    incidental = job.config[INCIDENTAL_KEYS]
    return simulator_of(settings, machine, job.input.assets, job.log[0], report, incidental)


def simulator_of(
    settings: Simulation,
    machine: Machine,
    assets: str | Path,
    log: str | Path,
    report: Callable[[str], None],
    incidental: Mapping[str, Any],
) -> tuple[AnyCatalogue, AnyMachine]:
    """Return the assets of a study and what draws them.

    Args:
        settings: of the sets.
        machine: where the job runs.
        assets: the packed file of the embedded renderer's assets.
        log: of the job; report: is told how it goes on.
        incidental: keys of ThreeDWorld that change no image, see ``incidental_keys``.

    Raises:
        UserError: the assets are absent, or a package that is needed.
    """
    if settings.renderer == "embedded":
        return read_packed(assets, cache=machine.cache), machine
    threedworld = settings.tdw.model_copy(update=dict(incidental))
    catalogue = read_records(threedworld, settings.classes)
    for note in catalogue.notes:
        report(note)
    return catalogue, ThreeDWorldMachine(threedworld, machine.threads, Path(log), report)
