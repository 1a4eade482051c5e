"""The keys ``task2sim.evaluate`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simtailor.section import PositiveInt, Section, Share, Unique

Method = Literal["knn", "linear", "finetune"]


class Neighbours(Section):
    """Classification by the nearest training images, in the space of normalised features."""

    neighbours: PositiveInt = Field(5, description="Nearest training images that vote.")
    weighting: Literal["softmax", "uniform"] = Field(
        "softmax",
        description="'softmax' weights a vote by exp(cosine / temperature), as published; "
        "'uniform' counts.",
    )
    temperature: Annotated[float, Field(gt=0)] = Field(
        0.07, description="Of the weights 'softmax'."
    )


class HeadTraining(Section):
    """Training by stochastic gradient descent with momentum, the rate falling in steps."""

    epochs: PositiveInt = Field(20, description="Passes over the training images.")
    decay_at: Annotated[list[Share], Unique] = Field(
        [0.5, 0.74],
        description="Shares of the epochs after which the learning rate is divided by 10.",
    )
    batch_size: Annotated[int, Field(ge=2, strict=True)] = Field(128, description="Images a step.")
    learning_rates: Annotated[list[Annotated[float, Field(gt=0)]], Unique] = Field(
        [0.1, 0.01],
        min_length=1,
        description="Of several, the one that does best on a tenth of the training images.",
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="On all weights.")
    momentum: Share = Field(0.9, description="Of the gradient.")
    dropout: Share = Field(0.2, description="Share of the features set to 0 in a step.")


class FineTuning(HeadTraining):
    """Training of the whole network, its head included."""

    batch_size: Annotated[int, Field(ge=2, strict=True)] = Field(32, description="Images a step.")
    learning_rates: Annotated[list[Annotated[float, Field(gt=0)]], Unique] = Field(
        [0.01],
        min_length=1,
        description="Of several, the one that does best on a tenth of the training images.",
    )
    crop: Annotated[float, Field(gt=0, le=1)] = Field(
        0.64, description="Smallest share of the image that a random crop keeps; 1 is none."
    )
    flip: bool = Field(
        False, description="Mirror half of the images; wrong for digits and characters."
    )


class Repeats(Section):
    """Backbones trained again with other seeds: the yardstick for differences between sets."""

    sets: Annotated[int, Field(ge=0, strict=True)] = Field(
        2,
        description="Sets whose backbone is trained again, spread over the study's list; with "
        "task2sim.pretrain.at_once, rounded up to whole groups.",
    )
    seeds: PositiveInt = Field(2, description="Further seeds for each of them.")


class Evaluate(Section):
    """Evaluation of backbones on real tasks."""

    methods: Annotated[list[Method], Unique] = Field(
        ["knn"],
        min_length=1,
        description="How a backbone is judged: 'knn', 'linear' (a linear classifier on its "
        "features), 'finetune' (the whole network).",
    )
    reward: Method = Field("knn", description="The method whose accuracy is the reward.")
    knn: Neighbours = Neighbours()
    linear: HeadTraining = HeadTraining()
    finetune: FineTuning = FineTuning()
    repeats: Repeats = Repeats()
    threads: PositiveInt = Field(
        1, description="Cores of a job; sets are evaluated side by side, so 1 serves a study best."
    )

    @model_validator(mode="after")
    def _reward_is_measured(self) -> Evaluate:
        if self.reward not in self.methods:
            raise ValueError(f"reward: '{self.reward}' is not among methods: {self.methods}")
        return self
