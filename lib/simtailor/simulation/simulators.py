"""What draws the sets of a study, as ``task2sim.simulation.renderer`` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from simtailor.simulation.catalogue import Catalogue
from simtailor.simulation.catalogue import read_catalogue as read_packed
from simtailor.simulation.machine import Machine
from simtailor.simulation.settings import Simulation
from simtailor.simulation.tdw.machine import ThreeDWorldMachine
from simtailor.simulation.tdw.records import ThreeDWorldCatalogue
from simtailor.simulation.tdw.records import read_catalogue as read_records

AnyMachine = Machine | ThreeDWorldMachine
AnyCatalogue = Catalogue | ThreeDWorldCatalogue


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
