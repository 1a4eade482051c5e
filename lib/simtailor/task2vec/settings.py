"""The keys ``task2sim.task2vec`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simtailor.section import InputPath, PositiveInt, Section

KEPT = 2**26  # float32 numbers of squared gradients that a job keeps


class Variational(Section):
    """The variational method."""

    steps: PositiveInt = Field(400, description="Steps of Adam on the logarithms of the variances.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(0.1, description="Of Adam.")
    added_loss: Annotated[float, Field(gt=0)] = Field(
        0.1, description="Loss, in nats, that the noise on the weights may add."
    )


class Task2Vec(Section):
    """Task vectors."""

    model: str = Field(
        "tf_efficientnet_lite0", min_length=1, description="Probe network: a model of timm."
    )
    weights: InputPath = Field(
        "package",
        description="Of the probe network: 'hub', 'package' (offline, for tf_efficientnet_lite0), "
        "'random', a .safetensors or .pth file, or a folder of a backbone of this workflow, whose "
        "model is taken.",
    )
    image_size: Annotated[int, Field(ge=16, le=1024, strict=True)] = Field(
        64, description="Pixels that tasks are resized to for the probe network."
    )
    method: Literal["monte_carlo", "variational"] = Field(
        "monte_carlo", description="How the Fisher information is estimated."
    )
    precision: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="Relative standard error at which 'monte_carlo' stops drawing."
    )
    most_draws: PositiveInt = Field(1024, description="Draws of 'monte_carlo', at most.")
    batch_size: PositiveInt = Field(64, description="Images a pass of the network.")
    variational: Variational = Variational()

    def memory_mb(self) -> int:
        """Return what a job keeps beside the images and the network, in MB."""
        return 4 * KEPT // 10**6 if self.method == "monte_carlo" else 0
