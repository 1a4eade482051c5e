"""What the workflow needs to know of a data set while it is planned."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from simtailor.datasets.formats import check_export
from simtailor.errors import UserError, nearest_name
from simtailor.fitted.settings import Datasets
from simtailor.metasim.settings import Experiment

# Raised when the same settings give other files, so that data sets made before do not count.
DATASETS_VERSION = 4


def experiment_with_stage(experiment: Experiment, settings: Datasets) -> Experiment:
    """Return the experiment with the stage of its data set.

    Raises:
        UserError: the renderer knows no such key or value, or cannot draw the fit's scenes so.
    """
    contract, kind = experiment.contract, type(experiment.stage)
    if unknown := [key for key in settings.stage if key not in kind.model_fields]:
        raise UserError(
            f"datasets.stage.{unknown[0]}: the renderer '{contract.name}' has no such key."
            f"{nearest_name(unknown[0], kind.model_fields)} It has {', '.join(kind.model_fields)}."
        )
    values = experiment.stage.model_dump() | settings.stage
    try:
        stage = kind.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise UserError(
            f"datasets.stage.{key}: {problem['msg']}, got {problem['input']!r}"
        ) from None
    if not contract.resizable and stage.image_size != experiment.stage.image_size:
        raise UserError(
            f"datasets.stage.image_size: {stage.image_size}, but the renderer '{contract.name}' "
            "places things in pixels; leave the key out, so that it is the experiment's "
            f"{experiment.stage.image_size}"
        )
    return experiment.model_copy(update={"stage": stage})


def settings_of_dataset(experiment: Experiment, settings: Datasets) -> dict[str, Any]:
    """Return as plain values what decides a data set's content, the seed filled in.

    Raises:
        UserError: see ``experiment_with_stage``.
    """
    experiment_with_stage(experiment, settings)
    seed = experiment.seed if settings.seed is None else settings.seed
    return settings.model_copy(update={"seed": seed}).model_dump(mode="json")


def check_exportable(name: str, experiment: Experiment, output_format: str) -> None:
    """Check that an experiment's data set has what an export to a format is made of.

    Raises:
        UserError: its renderer does not give it.
    """
    contract = experiment.contract
    check_export(
        f"the data set of '{name}'",
        output_format,
        contract.returns,
        f"The renderer '{contract.name}' gives no more. Let its render() return it and say so in "
        "the description's 'returns' (docs/own_renderer.md), or use the data set's shards, "
        "which have images, classes and attributes.",
    )
