"""The key ``task`` of an experiment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simtailor.section import PositiveInt, Section, Share


class NetworkTraining(Section):
    """Training of one task network."""

    image_size: Annotated[int, Field(ge=16, le=64, strict=True)] = Field(
        32, description="Larger images are averaged down to so many pixels."
    )
    epochs: PositiveInt = Field(2, description="Passes over the generated images.")
    batch_size: Annotated[int, Field(ge=2, strict=True)] = Field(
        16, description="Images a step; 8 as published."
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        0.01, description="Highest rate: it rises over the first quarter and falls to 0."
    )
    momentum: Share = Field(0.9, description="Nesterov's; 0.5 as published.")


class Task(Section):
    """A task that the generated images are to serve: classification of the main object."""

    network: Literal["none", "digits", "resnet18"] = Field(
        "none", description="Task network; needs a target with labels."
    )
    epochs: PositiveInt = Field(10, description="Epochs on discrepancy and task, after the others.")
    groups: Annotated[int, Field(ge=2, strict=True)] = Field(
        8, description="Sets of scenes a step, each with a task network of its own."
    )
    scenes: Annotated[int, Field(ge=20, strict=True)] = Field(500, description="Scenes of a set.")
    noise: Literal["group", "scene"] = Field(
        "group", description="'group' moves all scenes of a set alike; 'scene' is as published."
    )
    noise_share: Annotated[float, Field(gt=0, le=0.5)] = Field(
        0.02, description="Noise on the attributes, share of the attribute's maximum."
    )
    spread_noise: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="Noise on the logarithm of the spread of a set, for noise 'group'."
    )
    baseline: Literal["other_groups", "moving_average"] = Field(
        "other_groups",
        description="What rewards are compared with; 'moving_average' is as published.",
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        0.02, description="Of Adam in the epochs of the task."
    )
    weight: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Weight of the task beside the discrepancy."
    )
    training: NetworkTraining = NetworkTraining()
