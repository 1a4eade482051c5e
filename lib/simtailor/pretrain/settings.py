"""The keys ``task2sim.pretrain`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from simtailor.section import PositiveInt, Section, Share

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Augmentation(Section):
    """How training images are varied."""

    kind: Literal["batch", "image"] = Field(
        "batch",
        description="'batch' varies a whole batch at once on the device; 'image' is timm's "
        "transform with RandAugment, image by image in the workers, as published.",
    )
    crop: Annotated[float, Field(gt=0, le=1)] = Field(
        0.35, description="Smallest share of the image that a random crop keeps."
    )
    flip: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="Probability of mirroring left and right."
    )
    colour: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.4, description="Brightness, contrast and saturation change by up to this share."
    )
    grey: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2, description="Probability of losing the colour."
    )
    randaugment: str = Field(
        "rand-m9-mstd0.5-inc1",
        pattern=r"^rand(-[a-z]+[0-9.]+)*$",
        description="Policy of kind 'image', in timm's notation.",
    )


class Pretrain(Section):
    """Pre-training of a backbone on a simulated set."""

    model: str = Field("resnet10t", min_length=1, description="A model of timm, by name.")
    model_options: dict[str, Any] = Field(
        {"channels": [32, 64, 128, 256], "stem_width": 16, "global_pool": "catavgmax"},
        description="What timm.create_model is given beside the name; the default narrows the net "
        "and pools by mean and by maximum.",
    )
    image_size: Annotated[int, Field(ge=16, le=1024, strict=True)] = Field(
        48, description="Pixels of the square images that the network sees."
    )
    epochs: PositiveInt = Field(16, description="Passes over the set.")
    batch_size: Annotated[int, Field(ge=2, strict=True)] = Field(
        64, description="Images a step, of all processes together."
    )
    optimiser: Literal["adamw", "sgd"] = Field("adamw", description="'sgd' is Nesterov's.")
    learning_rate: Positive = Field(
        2e-3, description="Highest rate: it rises in the warm-up and falls along a half cosine."
    )
    warmup_epochs: Annotated[int, Field(ge=0, strict=True)] = Field(
        1, description="Epochs over which the rate rises."
    )
    weight_decay: NotNegative = Field(0.05, description="Of weights, not of biases and scales.")
    label_smoothing: Share = Field(0.1, description="Share of a label that all classes get.")
    mixup: NotNegative = Field(
        0.0, description="Alpha of mixup; 0 is off. With cutmix, each batch gets one of the two."
    )
    cutmix: NotNegative = Field(0.0, description="Alpha of cutmix; 0 is off.")
    augmentation: Augmentation = Augmentation()
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Of the network's arithmetic; weights stay float32."
    )
    channels_last: bool = Field(True, description="Order of the images in memory; faster.")
    compile: bool = Field(
        False,
        description="torch.compile the network; needs a C++ compiler, pays if long.",
    )
    cache_mb: Annotated[int, Field(ge=0, strict=True)] = Field(
        4000,
        description="Decoded images are kept in memory, on the device for augmentation 'batch', "
        "if they take no more than so many MB a machine; otherwise they are read from the shards.",
    )
    workers: Annotated[int, Field(ge=0, le=256, strict=True)] = Field(
        0,
        description="Processes that decode and augment, a GPU, where that is not done on the "
        "device; 0 does it in the training's own process. Count those of all GPUs in 'threads'.",
    )
    threads: PositiveInt = Field(
        1, description="Cores of a job; sets are trained side by side, so 1 serves a study best."
    )
    processes: PositiveInt = Field(
        1, description="GPUs a job (processes on the CPU), by DistributedDataParallel."
    )
    nodes: PositiveInt = Field(
        1,
        description="Machines that the processes are spread over, evenly; several need Slurm.",
    )

    @property
    def mixing(self) -> bool:
        """Whether images of a batch are mixed."""
        return self.mixup > 0 or self.cutmix > 0

    @model_validator(mode="after")
    def _possible(self) -> Pretrain:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs ({self.warmup_epochs}) must be less than epochs ({self.epochs})"
            )
        if self.processes % self.nodes:
            raise ValueError(
                f"processes ({self.processes}) must be a multiple of nodes ({self.nodes})"
            )
        unit = self.processes * (2 if self.mixing else 1)
        if self.batch_size % unit:
            raise ValueError(
                f"batch_size ({self.batch_size}) must be a multiple of {unit}: processes, "
                "and twice that where mixup or cutmix pairs the images"
            )
        reserved = {"pretrained", "num_classes"} & set(self.model_options)
        if reserved:
            raise ValueError(f"model_options: {', '.join(sorted(reserved))} is set by the stage")
        return self
