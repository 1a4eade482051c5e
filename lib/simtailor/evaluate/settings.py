"""The keys ``task2sim.evaluate`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simtailor.section import PositiveInt, Section, Share, Unique

Method = Literal["few_labels", "all_labels", "knn", "linear", "finetune"]


PositiveSteps = Annotated[int, Field(gt=0)]  # not strict: keys of JSON are words
PositiveStarts = Annotated[int, Field(gt=0, strict=True)]


class FewLabels(Section):
    """Ridge regression on features of all stages, by few labelled images, again and again."""

    labels: PositiveInt = Field(10, description="Labelled images of a class.")
    fewest: PositiveInt = Field(
        5, description="The same, where the smallest class has fewer to train than 'labels'."
    )
    episodes: Annotated[int, Field(ge=2, strict=True)] = Field(
        20, description="Choices of labelled images, the same for all that is compared."
    )


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


class TaskTraining(Section):
    """What the training on one task does otherwise; what is empty is as for all."""

    learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        None, description="The one learning rate; none is chosen."
    )
    batch_size: Annotated[int, Field(ge=2, strict=True)] | None = Field(
        None, description="Images a step."
    )
    weight_decay: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Of weights, not of biases."
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
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Of weights, not of biases and scales."
    )
    momentum: Share = Field(0.9, description="Nesterov's.")
    dropout: Share = Field(0.2, description="Share of the features set to 0 in a step.")
    crop: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Smallest share of the image that a random crop keeps; 1 is none. Without "
        "crops and mirroring, the features of a linear classifier are computed once.",
    )
    flip: bool = Field(
        False, description="Mirror half of the images; wrong for digits and characters."
    )
    by_task: dict[str, TaskTraining] = Field(
        {},
        description="What the training on a task does otherwise, by its name: "
        "`NAME: {learning_rate: 0.001, batch_size: 32, weight_decay: 1.0e-5}`.",
    )

    def of_task(self, name: str) -> HeadTraining:
        """Return the settings for one task: those of all, with what the task does otherwise."""
        own = self.by_task.get(name, TaskTraining())
        changes = own.model_dump(exclude_none=True, exclude={"learning_rate"})
        if own.learning_rate is not None:
            changes["learning_rates"] = [own.learning_rate]
        return self.model_copy(update={**changes, "by_task": {}})


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


class EqualSteps(Section):
    """Fine-tuned backbones beside the same network from scratch, by few labels and steps."""

    starts: dict[PositiveSteps, PositiveStarts] = Field(
        {30: 8, 120: 2},
        description="By the number of steps: how many backbones, spread over the study's sets, and "
        "as many starts from scratch are trained. The fewest steps are the small budget; {} "
        "leaves it out.",
    )
    batch_size: Annotated[int, Field(ge=2, strict=True)] = Field(16, description="Images a step.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        2e-3, description="Highest rate of AdamW: it rises, and falls along a half cosine."
    )


class Repeats(Section):
    """Backbones trained again with other seeds: the yardstick for differences between sets."""

    sets: Annotated[int, Field(ge=0, strict=True)] = Field(
        8,
        description="Sets that are made, trained and evaluated again, at most, spread over the "
        "study's list.",
    )
    seeds: PositiveInt = Field(1, description="Further seeds for each of them.")


class Evaluate(Section):
    """Evaluation of backbones on real tasks."""

    methods: Annotated[list[Method], Unique] = Field(
        ["few_labels", "all_labels", "knn"],
        min_length=1,
        description="How a backbone is judged: 'few_labels' and 'all_labels' (ridge regression on "
        "features of all stages), 'knn' (neighbours by the last one, as published), 'linear' (a "
        "linear classifier on it), 'finetune' (the whole network).",
    )
    reward: Method = Field(
        "few_labels", description="The method whose accuracy is the reward; 'knn' as published."
    )
    image_size: Annotated[int, Field(ge=8, le=1024, strict=True)] | None = Field(
        None,
        description="Pixels of the images that networks are given; empty takes the tasks' own.",
    )
    centre: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Share of an image's edge that networks see, of its middle; 0.875 as published "
        "(224 of 256 pixels).",
    )
    few_labels: FewLabels = FewLabels()
    knn: Neighbours = Neighbours()
    linear: HeadTraining = HeadTraining()
    finetune: FineTuning = FineTuning()
    equal_steps: EqualSteps = EqualSteps()
    repeats: Repeats = Repeats()
    threads: PositiveInt = Field(
        1, description="Cores of a job; sets are evaluated side by side, so 1 serves a study best."
    )

    @model_validator(mode="after")
    def _reward_is_measured(self) -> Evaluate:
        if self.reward not in self.methods:
            raise ValueError(f"reward: '{self.reward}' is not among methods: {self.methods}")
        return self
