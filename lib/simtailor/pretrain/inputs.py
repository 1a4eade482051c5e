"""What the workflow needs to know of the backbones while it is planned."""

from __future__ import annotations

from typing import Any

from simtailor.pretrain.settings import Pretrain
from simtailor.simulation.settings import Simulation

SPEED_ONLY = {"cache_mb", "workers", "threads"}  # decide how fast, not what comes out
PROCESS_MB, WORKER_MB = 3000, 500
ENLARGEMENT = 2  # images are kept at up to so many times the network's size, for crops


def settings_of_a_backbone(settings: Pretrain) -> dict[str, Any]:
    """Return as plain values what decides a backbone's weights."""
    return settings.model_dump(mode="json", exclude=SPEED_ONLY)


def kept_edge(rendered: int, image_size: int) -> int:
    """Return at how many pixels a training keeps images that were rendered at ``rendered``."""
    return min(rendered, ENLARGEMENT * image_size)


def memory_mb(settings: Pretrain, simulation: Simulation) -> int:
    """Return what a job needs of main memory, in MB."""
    edge = kept_edge(simulation.image_size, settings.image_size)
    decoded = simulation.images * edge**2 * 3 / 1e6
    decoded *= settings.processes * settings.at_once
    cached = decoded if decoded <= settings.cache_mb else 0
    return int(cached + settings.processes * (PROCESS_MB + settings.workers * WORKER_MB))
