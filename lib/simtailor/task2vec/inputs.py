"""What the workflow needs to know of the probe network while it is planned.

Imports torch only for a network that has to be looked for.
"""

from __future__ import annotations

from pathlib import Path

from simtailor.errors import UserError
from simtailor.metasim.settings import PACKAGE, PACKAGED_MODEL, Features
from simtailor.pretrain.names import DESCRIPTION, WEIGHTS
from simtailor.task2vec.settings import Task2Vec


def checked_probe(settings: Task2Vec) -> tuple[list[str], list[str]]:
    """Return the packages and the files that the probe network is read from, as they are named.

    Raises:
        UserError: timm has no such model, or a file is absent.
    """
    folder = backbone_of(settings)
    if folder:
        return [], [str(folder / WEIGHTS)]
    try:
        values = network_of(settings)
        if settings.weights == "package":
            return [PACKAGE], []
        from simtailor.metasim.features.networks import check_model  # noqa: PLC0415
        from simtailor.metasim.features.weights import check_weights_file  # noqa: PLC0415

        check_model(values.model)
        if values.weights_file:
            check_weights_file(values.weights_file)
    except UserError as error:
        raise UserError(f"task2sim.task2vec, the probe network: {error}") from None
    return [], [values.weights_file] if values.weights_file else []


def backbone_of(settings: Task2Vec) -> Path | None:
    """Return the folder of a backbone of this workflow, if that is the probe network."""
    folder = Path(settings.weights)
    return folder if (folder / DESCRIPTION).is_file() else None


def network_of(settings: Task2Vec) -> Features:
    """Return the settings of a network of timm.

    Raises:
        UserError: its weights are to come from a package that has others.
    """
    if settings.weights == "package" and settings.model != PACKAGED_MODEL:
        raise UserError(f"weights: 'package' is for model: {PACKAGED_MODEL} only")
    return Features(kind="timm", model=settings.model, weights=settings.weights)
