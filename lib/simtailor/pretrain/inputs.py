"""What the workflow needs to know of the backbones while it is planned."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from simtailor.files import write_json
from simtailor.pretrain.settings import Pretrain
from simtailor.simulation.settings import Simulation
from simtailor.yaml_files import read_yaml

SPEED_ONLY = {"cache_mb", "workers", "threads", "nodes"}  # decide how fast, not what comes out
PROCESS_MB, WORKER_MB = 3000, 500
CHECKED_NETWORKS = Path(__file__).with_name("checked_networks.yaml")
ENLARGEMENT = 2  # images are kept at up to so many times the network's size, for crops


def settings_of_a_backbone(settings: Pretrain) -> dict[str, Any]:
    """Return as plain values what decides a backbone's weights."""
    return settings.model_dump(mode="json", exclude=SPEED_ONLY)


_CHECKED: set[str] = set()  # by this process, where the folder of caches cannot be written


def checked_settings(settings: Pretrain, folder: str | Path) -> dict[str, Any]:
    """Return ``settings_of_a_backbone`` of a network that exists and takes images of the size.

    That takes seconds, so what was found right is remembered in a folder of caches, and for the
    configurations that ship it stands in ``CHECKED_NETWORKS``.

    Raises:
        UserError: timm has no such model, or it takes neither its options nor the images.
    """
    network = {"model", "model_options", "image_size"}
    facts = [settings.model_dump(mode="json", include=network), _versions()]
    digest = hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:20]
    file = Path(folder) / "checks" / f"network-{digest}.json"
    if not (digest in _CHECKED or file.exists() or _ships_checked(*facts)):
        from simtailor.pretrain.network import check_network  # noqa: PLC0415  imports torch

        check_network(settings.model, settings.model_options, settings.image_size)
        with suppress(OSError):
            write_json(file, facts)
    _CHECKED.add(digest)
    return settings_of_a_backbone(settings)


@cache
def _versions() -> dict[str, str]:
    """Return the versions that decide which networks there are, without the builds' labels."""
    return {name: version(name).partition("+")[0] for name in ("timm", "torch")}


def _ships_checked(network: dict[str, Any], versions: dict[str, str]) -> bool:
    """Return whether simtailor ships the knowledge that a network is right."""
    known = read_yaml(CHECKED_NETWORKS)
    return known["versions"] == versions and network in known["networks"]


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
