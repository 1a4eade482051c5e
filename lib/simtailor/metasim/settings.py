"""The keys ``metasim`` of the configuration, and those of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializeAsAny,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from simtailor.intake.limits import MOST_PIXELS
from simtailor.metasim.task_settings import Task
from simtailor.render.description import RendererDescription, StageSettings
from simtailor.render.players.settings import startable
from simtailor.render.registry import DEFAULT, find_renderer, settings_of
from simtailor.scene.grammar import Grammar
from simtailor.section import InputPath, Name, PositiveInt, Section, Share, Unique

WEIGHED = 8  # times as many scenes as in an epoch are weighed to learn classes and counts
PACKAGED_MODEL, PACKAGE = "tf_efficientnet_lite0", "efficientnet_lite0"


class LargePicture(Section):
    """One large picture, such as a map from the air."""

    file: str = Field(min_length=1, description="Path of the picture, in the package if one is.")
    package: Name | None = Field(None, description="Fetched package that holds it.")
    edge: Annotated[int, Field(ge=8, strict=True)] = Field(
        description="Pixels of the squares that it is cut into, side by side."
    )


class Target(Section):
    """Where the target images come from: one of a grammar, a folder, a picture and a build."""

    grammar: InputPath | None = Field(None, description="Grammar file to render the target from.")
    folder: InputPath | None = Field(None, description="Folder of the user's images.")
    picture: LargePicture | None = Field(
        None, description="One large picture that is cut into target images."
    )
    build: InputPath | None = Field(
        None,
        description="A 3D-TYOL build that draws target images unasked, see docs/unity.md.",
    )
    images: Annotated[int, Field(ge=20, strict=True)] = Field(
        2000,
        description="Number of target images; of a folder or a build, at most so many are taken.",
    )
    most_pixels: Annotated[int, Field(ge=1_000_000, strict=True)] = Field(
        MOST_PIXELS,
        description="Pixels of an image, at most; larger ones are refused by name.",
    )

    @field_validator("build")
    @classmethod
    def _can_start(cls, build: str | None) -> str | None:
        return None if build is None else startable(build)

    @model_validator(mode="after")
    def _one_source(self) -> Target:
        if [self.grammar, self.folder, self.picture, self.build].count(None) != 3:
            raise ValueError("give one of 'grammar', 'folder', 'picture' and 'build'")
        return self

    @property
    def source(self) -> str:
        """The file or folder that the images come from."""
        picture = self.picture.file if self.picture is not None else None
        return str(self.grammar or self.folder or picture or self.build)

    @property
    def packages(self) -> list[str]:
        """The fetched packages that hold it."""
        named = self.picture is not None and self.picture.package
        return [named] if named else []


WEIGHTLESS = ("pyramid", "edges", "textures")
PLACELESS = ("textures",)


class Features(Section):
    """What of the images is compared."""

    kind: Literal["pyramid", "edges", "textures", "inception", "timm"] = Field(
        "pyramid",
        description="'pyramid' averages the images down and needs no weights; 'edges' gathers the "
        "edges of each orientation over the same grids, whatever colours, light and exposure, and, "
        "where the grammar changes those, the mean colour of the image: for pictures of another "
        "camera, and what a folder of photographs is compared by unless this says otherwise; "
        "'textures' averages colours, sizes and edges over the whole "
        "image, for scenes in which place means nothing; 'inception' is as published; 'timm' is "
        "any model of timm.",
    )
    pyramid: list[Annotated[int, Field(ge=1, strict=True)]] = Field(
        [32, 16, 8, 4],
        min_length=1,
        description="Edges of the image pyramid, or cells along those of the grids, largest first.",
    )
    blocks: list[Literal[64, 192, 768, 2048]] = Field(
        [2048], min_length=1, description="Blocks of Inception-v3, by their number of channels."
    )
    model: str = Field("resnet18", min_length=1, description="A model of timm, by name.")
    layers: list[Annotated[int, Field(ge=0, strict=True)]] = Field(
        [], description="Levels of the timm model (out_indices); empty takes its pooled output."
    )
    weights: InputPath = Field(
        "hub",
        description="Of a network: 'hub' (timm downloads them), 'package' (offline, for "
        "tf_efficientnet_lite0), 'random', or a .safetensors or .pth file.",
    )

    @property
    def of_network(self) -> bool:
        """Whether a network makes them."""
        return self.kind not in WEIGHTLESS

    @property
    def weights_file(self) -> str | None:
        """The user's file of weights, if the features need one."""
        named = self.of_network and self.weights not in ("hub", "package", "random")
        return self.weights if named else None

    @model_validator(mode="after")
    def _possible(self) -> Features:
        if sorted(set(self.pyramid), reverse=True) != self.pyramid:
            raise ValueError(f"pyramid: give edges from large to small, got {self.pyramid}")
        for name, values in (("blocks", self.blocks), ("layers", self.layers)):
            if sorted(set(values)) != values:
                raise ValueError(f"{name}: give each number once, from small to large: {values}")
        needs_package = self.of_network and self.weights == "package"
        if needs_package and (self.kind, self.model) != ("timm", PACKAGED_MODEL):
            raise ValueError(
                f"weights: 'package' is for kind: timm with model: {PACKAGED_MODEL} only"
            )
        return self


class Discrepancy(Section):
    """How the features of generated and target images are compared."""

    kind: Literal["mmd", "sliced_wasserstein", "energy"] = Field(
        "mmd", description="Trained on; the verdict always compares by MMD."
    )
    unbiased: bool = Field(
        True, description="Unbiased estimator of 'mmd' or 'energy'; false is the published one."
    )
    bandwidth_factors: Annotated[list[Annotated[float, Field(gt=0)]], Unique] = Field(
        [0.05, 0.2, 0.5, 1.0, 2.0],
        min_length=1,
        description="Kernel widths of 'mmd' as factors on the median squared distance.",
    )
    directions: PositiveInt = Field(128, description="Random directions of 'sliced_wasserstein'.")


class Search(Section):
    """Population search for the target's place before the gradient takes over."""

    rounds: Annotated[int, Field(ge=0, strict=True)] = Field(
        16,
        description="Rounds of the search; 0 starts from the prior. With features of the kind "
        "'textures' a regression of the attributes on the features takes its place.",
    )
    candidates: Annotated[int, Field(ge=2, strict=True)] = Field(
        200,
        description="Scenes rendered a round and attribute; give more where objects of several "
        "classes have many attributes.",
    )
    images: Annotated[int, Field(ge=2, strict=True)] = Field(
        200, description="Target images that look for their nearest scene, at most."
    )


class Training(Section):
    """Length and steps of the training."""

    image_size: Annotated[int, Field(ge=8, strict=True)] = Field(
        128, description="Pixels while training; the stage's size where that is smaller."
    )
    epochs: PositiveInt = Field(16, description="Epochs on the discrepancy, at most.")
    patience: PositiveInt = Field(
        6, description="Epochs without a better discrepancy on the validation part, then stop."
    )
    validation_scenes: Annotated[int, Field(ge=2, strict=True)] = Field(
        100, description="Scenes an epoch that are compared with the validation part."
    )
    scenes_per_epoch: PositiveInt = Field(
        100, description="Scenes generated an epoch, in whole steps."
    )
    batch_size: Annotated[int, Field(ge=2, strict=True)] = Field(50, description="Scenes a step.")
    hypercube: PositiveInt = Field(
        10,
        description="Scenes of a step on the discrepancy, and those that an epoch is judged by, "
        "are Latin hypercubes of so many, at most half of them; 1 draws each scene by itself.",
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        0.05,
        description="Of Adam at the start, in spreads of the prior, or of the search's start where "
        "that is narrower; it falls along a half cosine to a tenth.",
    )
    network_learning_rate: Annotated[float, Field(gt=0)] = Field(
        0.002, description="Of the graph convolutions."
    )
    average_from: Share = Field(
        0.35, description="Share of the training after which the weights are averaged."
    )
    pretraining_epochs: Annotated[int, Field(ge=0, strict=True)] = Field(
        1, description="Epochs of reconstruction, for generator 'gcn'."
    )
    angle_step: Annotated[float, Field(gt=0, le=90)] = Field(
        2.0,
        description="Step of the difference that stands for a derivative, for angles, degrees. "
        "This and the next are doubled, up to eightfold, where the image hardly responds.",
    )
    range_step: Annotated[float, Field(gt=0, le=0.5)] = Field(
        0.01, description="The same for other attributes, share of the attribute's maximum."
    )
    search: Search = Search()

    @model_validator(mode="after")
    def _whole_batches(self) -> Training:
        if self.scenes_per_epoch < self.batch_size:
            raise ValueError(
                f"scenes_per_epoch ({self.scenes_per_epoch}) is smaller than "
                f"batch_size ({self.batch_size})"
            )
        return self


class Evaluation(Section):
    """What is measured and shown."""

    validation: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.1, description="Share of the target that decides when to stop and which epoch is best."
    )
    held_out: Annotated[float, Field(gt=0, lt=0.9)] = Field(
        0.2, description="Share of the target kept from the training for the verdict."
    )
    scenes: Annotated[int, Field(ge=20, strict=True)] = Field(
        10000, description="Generated graphs that the attribute statistics are taken from."
    )
    key_epochs: Annotated[int, Field(ge=2, strict=True)] = Field(
        8, description="Number of epochs shown, the ends included."
    )
    task_images: PositiveInt = Field(
        1000, description="Images of each source in the table of the task network's accuracy."
    )
    saved_images: PositiveInt = Field(48, description="Images saved of the target and an epoch.")

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Evaluation:
        total = self.held_out + self.validation
        if total > 0.8 + 1e-9:
            raise ValueError(
                f"held_out and validation take {total:.0%} of the target; leave at least 20% "
                "to train on"
            )
        return self


class Experiment(Section):
    """One Meta-Sim experiment."""

    description: str = Field("", description="One sentence for tables and figures.")
    grammar: InputPath = Field(description="Grammar file of the scenes to start from.")
    target: Target
    renderer: str = Field(
        DEFAULT,
        description="Name of a renderer that is built in or installed, or the path of a Python "
        "file that describes one.",
    )
    stage: SerializeAsAny[StageSettings] = Field(
        StageSettings(), description="What the renderer draws on; its keys are the renderer's own."
    )
    generator: Literal["transport", "gcn"] = Field(
        "transport", description="'transport' moves the prior's sample; 'gcn' is as published."
    )
    features: Features = Features()
    discrepancy: Discrepancy = Discrepancy()
    training: Training = Training()
    task: Task = Task()
    evaluation: Evaluation = Evaluation()
    seed: Annotated[int, Field(ge=0, strict=True)] | None = Field(
        None, description="Seed of this experiment; the project's seed where absent."
    )

    @field_validator("renderer")
    @classmethod
    def _known(cls, renderer: str) -> str:
        find_renderer(renderer)
        return renderer

    @field_validator("features")
    @classmethod
    def _photographs_by_edges(cls, features: Features, info: ValidationInfo) -> Features:
        """Compare photographs by what does not depend on the camera, unless the user chose."""
        target = info.data.get("target")
        if target is None or target.folder is None or "kind" in features.model_fields_set:
            return features
        return features.model_copy(update={"kind": "edges"})

    @field_validator("stage", mode="before")
    @classmethod
    def _of_renderer(cls, stage: Any, info: ValidationInfo) -> Any:
        """Return the renderer's own settings, checked by their types."""
        if "renderer" not in info.data:  # it is wrong, which is told already
            return StageSettings()
        settings = find_renderer(info.data["renderer"]).settings
        if isinstance(stage, StageSettings) and not isinstance(stage, settings):
            stage = stage.model_dump(exclude_unset=True)
        return settings.model_validate(stage)

    @property
    def contract(self) -> RendererDescription:
        """What the renderer reads, returns and needs, for the stage's settings."""
        return find_renderer(self.renderer).of(self.stage)

    def read_grammar(self, path: str | Path) -> Grammar:
        """Read a grammar whose scenes the experiment's renderer is to draw."""
        return Grammar.read(path, self.contract.attributes)

    @classmethod
    def with_stage_of(cls, renderer: Any) -> type[Experiment]:
        """Return the same with the type of a renderer's stage, so that all its keys are known."""
        settings = settings_of(renderer)
        if settings is None:
            return cls
        # Validated like one that is given: a renderer may have a key without a default.
        default = StageSettings()
        stage = (settings, Field(default, description=cls.model_fields["stage"].description))
        return create_model(cls.__name__, __base__=cls, stage=stage)


class MetaSim(Section):
    """The Meta-Sim stage."""

    experiments_folder: InputPath = Field(
        "config/experiments", description="Folder with one YAML file an experiment."
    )
    defaults: dict[str, Any] = Field({}, description="Keys of an experiment, for all of them.")
    experiments: dict[Name, dict[str, Any]] = Field(
        {}, description="Keys by experiment, over what its file says."
    )
