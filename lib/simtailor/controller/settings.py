"""The keys ``task2sim.controller`` of the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simtailor.section import InputPath, PositiveInt, Section, Share, Unique


class Reinforce(Section):
    """Training of the published controller; every default is as published."""

    hidden: PositiveInt = Field(400, description="Units of each of the two hidden layers.")
    epochs: PositiveInt = Field(1000, description="Passes over the training tasks.")
    batch_size: PositiveInt = Field(4, description="Tasks a step.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        0.001, description="Of SGD with momentum 0.9; a tenth after every 500 epochs."
    )
    warmup_epochs: PositiveInt = Field(50, description="Epochs in which the rate rises.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(1e-5, description="Of all weights.")
    noise: Share = Field(
        0.4, description="Probability taken from the likeliest value for exploration at first."
    )
    noise_epochs: PositiveInt = Field(
        5, description="After so many epochs the noise is a half of that, then a third, and so on."
    )
    imitation_from: Annotated[int, Field(ge=0, strict=True)] = Field(
        50, description="Epoch from which the best parameters seen of a task are imitated."
    )
    imitation_steps: Annotated[int, Field(ge=0, strict=True)] = Field(
        5, description="Steps of imitation after a step of exploration."
    )


class Screening(Section):
    """Sets that are first tried cheaply, with few images."""

    sets: Annotated[int, Field(ge=0, strict=True)] = Field(
        0,
        description="Sets that are tried so before the first whole one; 0 is none. It pays where "
        "whole sets are dear.",
    )
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.25,
        description="Share of task2sim.simulation.images that they are made of. The epochs stay, "
        "so that the pre-training has the same share of the steps.",
    )


class Explore(Section):
    """Sets tried on a new task, by the target ``results/task2sim/explore/TASK``."""

    sets: PositiveInt = Field(
        8, description="Sets that are evaluated on the task before one is recommended."
    )
    at_once: PositiveInt = Field(
        4,
        description="Sets that are proposed together and made side by side; fewer are chosen "
        "better, more end sooner where there are cores for them.",
    )
    screening: Screening = Screening()


class Controller(Section):
    """From a task vector to simulation parameters."""

    reward_db: InputPath | None = Field(
        None, description="Published reward database to learn from; empty takes the workflow's own."
    )
    task_vectors: InputPath | None = Field(
        None, description="Its task vectors (npz); empty takes the workflow's own."
    )
    unseen: Annotated[list[str], Unique] = Field(
        [], description="Tasks that are held out, to be reported as unseen; the others are seen."
    )
    policies: Annotated[list[str], Unique] = Field(
        [
            "best_fixed",
            "nearest",
            "neighbours",
            "shrinkage",
            "reinforce",
            "transfer",
        ],
        min_length=1,
        description="Policies that are trained and compared.",
    )
    neighbours: PositiveInt = Field(3, description="Known tasks that 'neighbours' averages.")
    seeds: PositiveInt = Field(
        8, description="Trainings of a learned policy on the seen tasks; their mean is reported."
    )
    leave_one_out_seeds: PositiveInt = Field(
        1, description="Trainings of a learned policy for each task left out."
    )
    evaluations: Annotated[list[PositiveInt], Unique] = Field(
        [1, 2, 4, 8, 16],
        min_length=1,
        description="Numbers of sets tried on a new task, for the table of few-shot results.",
    )
    abstain_below: Annotated[float, Field(ge=0, le=1)] = Field(
        0.6,
        description="Recommend the best fixed set if another is better with a probability below "
        "this.",
    )
    explore: Explore = Explore()
    reinforce: Reinforce = Reinforce()
