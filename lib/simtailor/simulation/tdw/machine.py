"""Where a job of the simulation runs that draws by ThreeDWorld."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simtailor.simulation.taking import PictureTaker
from simtailor.simulation.tdw.records import ThreeDWorldCatalogue, renderer_state
from simtailor.simulation.tdw.settings import ThreeDWorld


@dataclass(frozen=True)
class ThreeDWorldMachine:
    """Where a job runs.

    Attributes:
        settings: which build.
        threads: cores to compress images on.
        log: of the job, or None; report: is told how it goes on.
    """

    settings: ThreeDWorld
    threads: int
    log: Path | None
    report: Callable[[str], None]

    # A whole shard is drawn at a time, so that each of its models is added once.
    pixels = 1 << 26

    @property
    def renderer(self) -> str:
        """Name what the bytes of an image depend on beside the settings."""
        return renderer_state(self.settings)

    def studio(self, catalogue: ThreeDWorldCatalogue) -> PictureTaker:
        """Return the studio with these assets, to be used as a context manager."""
        from simtailor.simulation.tdw.studio import ThreeDWorldStudio  # noqa: PLC0415  of an extra

        return ThreeDWorldStudio(catalogue, self.settings, self.log, self.report)
