"""Where a job of the simulation runs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from simtailor.devices import check_device
from simtailor.render.raycast.tracers import tracing_package
from simtailor.simulation.catalogue import Catalogue
from simtailor.simulation.studio import Studio

PIXELS, CUDA_PIXELS = 1 << 22, 1 << 26  # rendered at a time by a thread, by a GPU


@dataclass(frozen=True)
class Machine:
    """Where a job runs.

    Attributes:
        device: ``cpu`` or a CUDA device; threads: cores; cache: folder of caches.
    """

    device: str
    threads: int
    cache: str

    @property
    def pixels(self) -> int:
        """How many pixels are rendered at a time."""
        return PIXELS * self.threads if self.device == "cpu" else CUDA_PIXELS

    @property
    def renderer(self) -> str:
        """Name what the bytes of an image depend on beside the settings."""
        kind = "cpu" if self.device == "cpu" else "cuda"
        packages = dict.fromkeys(
            [f"warp-lang {version('warp-lang')}", tracing_package(self.device)]
        )
        return f"simtailor ray caster, {', '.join(packages)}, {kind}"

    def studio(self, catalogue: Catalogue) -> Studio:
        """Return the studio with these assets, to be used as a context manager."""
        check_device(self.device)
        return Studio(catalogue, device=self.device, threads=self.threads, cache=self.cache)
