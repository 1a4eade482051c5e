"""The fingerprint of a training: a checkpoint of another one is not continued."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from pathlib import Path

import numpy as np

import simtailor
from simtailor.files import checksum
from simtailor.metasim.features.weights import weights_file
from simtailor.metasim.settings import Experiment
from simtailor.metasim.target import TargetImages
from simtailor.render.renderer import Renderer
from simtailor.scene.grammar import Grammar

SOURCE_OF_TRAINING = ("metasim", "render", "scene", "assets")  # packages of simtailor


def _own_source() -> str:
    """Return a checksum of the code that a training runs through, for those who change it."""
    root = Path(simtailor.__file__).parent
    files = [file for name in SOURCE_OF_TRAINING for file in (root / name).rglob("*.py")]
    return hashlib.sha256("".join(map(checksum, sorted(files))).encode()).hexdigest()


def fingerprint_of(
    experiment: Experiment,
    grammar: Grammar,
    renderer: Renderer,
    target: TargetImages,
    device: str,
    cache: str,
) -> str:
    """Return a digest of all that the result of a training depends on."""
    # Another number of images shown or another description continues the same training.
    stage = dict.fromkeys(experiment.stage.incidental, True)
    settings = experiment.model_dump(
        mode="json", exclude={"evaluation": True, "description": True, "stage": stage}
    )
    settings["parts"] = [experiment.evaluation.held_out, experiment.evaluation.validation]
    versions = [importlib.metadata.version(name) for name in ("simtailor", "torch", "warp-lang")]
    digest = hashlib.sha256(json.dumps([settings, versions, device]).encode())
    weights = weights_file(experiment.features, cache)
    digest.update(checksum(weights).encode() if weights else b"")
    digest.update(getattr(renderer, "identity", "").encode())
    digest.update(_own_source().encode())
    digest.update(repr(grammar.nodes).encode())
    digest.update(np.ascontiguousarray(target.images).tobytes())
    if target.labels is not None:
        digest.update(target.labels.tobytes())
    return digest.hexdigest()
