"""The keys ``task2sim.classifier`` of the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from simtailor.section import PositiveInt, Section, Unique
from simtailor.simulation.parameters import SimulationParameters


def _set_name(text: str) -> str:
    return str(SimulationParameters.parse(text))


class Classifier(Section):
    """A classifier of a task, by the target ``results/task2sim/classifier/TASK``."""

    set: Annotated[str, AfterValidator(_set_name)] | None = Field(
        None,
        description="Simulated set to pre-train on, by its nine parameters; empty takes the one "
        "that is recommended for the task, which needs the study's reward database.",
    )
    steps: PositiveInt = Field(
        300, description="Steps of fine-tuning, and of the same network from scratch."
    )
    batch_size: Annotated[int, Field(ge=2, strict=True)] = Field(32, description="Images a step.")
    learning_rates: Annotated[list[Annotated[float, Field(gt=0)]], Unique] = Field(
        [2e-3, 3e-4],
        min_length=1,
        description="Highest rates of AdamW; of several, the one that does best on the validation "
        "part.",
    )
