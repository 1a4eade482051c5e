"""What the workflow needs to know of the backbones while it is planned."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from simtailor.files import write_json
from simtailor.pretrain.settings import Pretrain
from simtailor.simulation.settings import Simulation

SPEED_ONLY = {"cache_mb", "workers", "threads", "nodes"}  # decide how fast, not what comes out
PROCESS_MB, WORKER_MB = 3000, 500
ENLARGEMENT = 2  # images are kept at up to so many times the network's size, for crops


def settings_of_a_backbone(settings: Pretrain) -> dict[str, Any]:
    """Return as plain values what decides a backbone's weights."""
    return settings.model_dump(mode="json", exclude=SPEED_ONLY)


_CHECKED: set[str] = set()  # by this process, where the folder of caches cannot be written


def checked_settings(settings: Pretrain, cache: str | Path) -> dict[str, Any]:
    """Return ``settings_of_a_backbone`` of a network that exists and takes images of the size.

    That takes seconds, so what was found right is remembered in a folder of caches.

    Raises:
        UserError: timm has no such model, or it takes neither its options nor the images.
    """
    versions = [version(name) for name in ("timm", "torch")]
    facts = [settings.model, settings.model_options, settings.image_size, *versions]
    digest = hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:20]
    file = Path(cache) / "checks" / f"network-{digest}.json"
    if digest not in _CHECKED and not file.exists():
        from simtailor.pretrain.network import check_network  # noqa: PLC0415  imports torch

        check_network(settings.model, settings.model_options, settings.image_size)
        with suppress(OSError):
            write_json(file, facts)
    _CHECKED.add(digest)
    return settings_of_a_backbone(settings)


def kept_edge(rendered: int, image_size: int) -> int:
    """Return at how many pixels a training keeps images that were rendered at ``rendered``."""
    return min(rendered, ENLARGEMENT * image_size)


def memory_mb(settings: Pretrain, simulation: Simulation) -> int:
    """Return what a job needs of main memory on each of its machines, in MB."""
    edge = kept_edge(simulation.image_size, settings.image_size)
    processes = settings.processes // settings.nodes
    decoded = processes * simulation.images * edge**2 * 3 / 1e6
    cached = decoded if decoded <= settings.cache_mb else 0
    return int(cached + processes * (PROCESS_MB + settings.workers * WORKER_MB))
