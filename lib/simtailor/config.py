"""The typed configuration: defaults, validation, JSON schema and reference page from one model.

Values come, each over the one before, from the defaults below, ``metasim.defaults`` in
config/config.yaml, the experiment's own file, and ``metasim.experiments.NAME`` in any file
given with ``--configfile``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from simtailor.controller.settings import Controller
from simtailor.errors import UserError, nearest_name
from simtailor.evaluate.settings import Evaluate
from simtailor.intake.limits import MOST_PIXELS
from simtailor.pretrain.settings import Pretrain
from simtailor.section import PositiveInt, Section, Share
from simtailor.simulation.settings import Simulation
from simtailor.task2vec.settings import Task2Vec
from simtailor.tasks.settings import Tasks

SEED_SUFFIX = re.compile(r"\.seed(\d+)$")
COMMAND_LINE = "command line (--config)"
ABSENT = object()
PACKAGED_MODEL = "tf_efficientnet_lite0"


class Stage(Section):
    """What the renderer draws on."""

    image_size: Annotated[int, Field(ge=8, le=4096, strict=True)] = Field(
        128, description="Pixels of the square images."
    )
    samples: Annotated[int, Field(ge=1, le=4096, strict=True)] = Field(
        1, description="Rays a pixel: 1 is fast, 4 or more is smooth."
    )
    frame_width: Annotated[float, Field(gt=0, le=10)] = Field(
        0.42, description="Metres of table that a picture shows from side to side."
    )


class Target(Section):
    """Where the target images come from: a grammar or a folder, not both."""

    grammar: str | None = Field(None, description="Grammar file to render the target from.")
    folder: str | None = Field(None, description="Folder of the user's images.")
    images: Annotated[int, Field(ge=20, strict=True)] = Field(
        2000, description="Number of target images; of a folder, at most so many are taken."
    )

    most_pixels: Annotated[int, Field(ge=1_000_000, strict=True)] = Field(
        MOST_PIXELS,
        description="Pixels of an image of the folder, at most; larger ones are refused by name.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Target:
        if (self.grammar is None) == (self.folder is None):
            raise ValueError("give either 'grammar' or 'folder'")
        return self


class Features(Section):
    """What of the images is compared."""

    kind: Literal["pyramid", "inception", "timm"] = Field(
        "pyramid",
        description="'pyramid' averages the images down and needs no weights; 'inception' is "
        "as published; 'timm' is any model of timm.",
    )
    pyramid: list[Annotated[int, Field(ge=1, strict=True)]] = Field(
        [32, 16, 8, 4], min_length=1, description="Edges of the image pyramid, largest first."
    )
    blocks: list[Literal[64, 192, 768, 2048]] = Field(
        [2048], min_length=1, description="Blocks of Inception-v3, by their number of channels."
    )
    model: str = Field("resnet18", min_length=1, description="A model of timm, by name.")
    layers: list[Annotated[int, Field(ge=0, strict=True)]] = Field(
        [], description="Levels of the timm model (out_indices); empty takes its pooled output."
    )
    weights: str = Field(
        "hub",
        min_length=1,
        description="Of a network: 'hub' (timm downloads them), 'package' (offline, for "
        "tf_efficientnet_lite0), 'random', or a .safetensors or .pth file.",
    )

    @property
    def weights_file(self) -> str | None:
        """The user's file of weights, if the features need one."""
        named = self.kind != "pyramid" and self.weights not in ("hub", "package", "random")
        return self.weights if named else None

    @model_validator(mode="after")
    def _possible(self) -> Features:
        if sorted(set(self.pyramid), reverse=True) != self.pyramid:
            raise ValueError(f"pyramid: give edges from large to small, got {self.pyramid}")
        for name, values in (("blocks", self.blocks), ("layers", self.layers)):
            if sorted(set(values)) != values:
                raise ValueError(f"{name}: give each number once, from small to large: {values}")
        needs_package = self.kind != "pyramid" and self.weights == "package"
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
    bandwidth_factors: list[Annotated[float, Field(gt=0)]] = Field(
        [0.05, 0.2, 0.5, 1.0, 2.0],
        min_length=1,
        description="Kernel widths of 'mmd' as factors on the median squared distance.",
    )
    directions: PositiveInt = Field(128, description="Random directions of 'sliced_wasserstein'.")


class Search(Section):
    """Population search for the target's place before the gradient takes over."""

    rounds: Annotated[int, Field(ge=0, strict=True)] = Field(
        16, description="Rounds of the search; 0 starts from the prior."
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
        description="Half distance of the central difference for angles, degrees. This and the "
        "next are doubled, up to eightfold, where the image hardly responds.",
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
    converged_below: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05, description="Converged if the held-out MMD fell to this share of its start."
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


class Experiment(Section):
    """One Meta-Sim experiment."""

    description: str = Field("", description="One sentence for tables and figures.")
    grammar: str = Field(description="Grammar file of the scenes to start from.")
    target: Target
    renderer: str = Field("tabletop", description="Name of a registered renderer.")
    stage: Stage = Stage()
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


class MetaSim(Section):
    """The Meta-Sim stage."""

    experiments_folder: str = Field(
        "config/experiments", description="Folder with one YAML file an experiment."
    )
    defaults: dict[str, Any] = Field({}, description="Keys of an experiment, for all of them.")
    experiments: dict[str, dict[str, Any]] = Field(
        {}, description="Keys by experiment, over what its file says."
    )


class Task2Sim(Section):
    """The Task2Sim stages."""

    simulation: Simulation = Simulation()
    pretrain: Pretrain = Pretrain()
    tasks: Tasks = Tasks()
    task2vec: Task2Vec = Task2Vec()
    evaluate: Evaluate = Evaluate()
    controller: Controller = Controller()


class Configuration(Section):
    """The whole configuration."""

    seed: Annotated[int, Field(ge=0, strict=True)] = Field(0, description="Decides everything.")
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = Field(
        "cpu", description="'cpu', 'cuda' or 'cuda:N'."
    )
    results: str = Field("results", description="Folder of the results.")
    work: str = Field("work", description="Folder of intermediate files.")
    resources: str = Field("resources", description="Folder of caches and fetched packages.")
    dag_targets: list[str] = Field(["all"], description="What the target 'dag' draws.")
    metasim: MetaSim = MetaSim()
    task2sim: Task2Sim = Task2Sim()


def load_configuration(values: Mapping[str, Any], files: Iterable[str | Path]) -> Configuration:
    """Validate the merged configuration.

    Args:
        values: the merged values of all files and of the command line.
        files: the files, in the order in which they were merged, for error messages.

    Raises:
        UserError: names file, key, value and the nearest valid name.
    """
    return _validate(Configuration, values, [_Layer(values, [Path(f) for f in files])])


def load_experiment(
    configuration: Configuration, name: str, files: Iterable[str | Path]
) -> Experiment:
    """Return one experiment with all its keys.

    Args:
        name: of a file in the experiments folder, or a key of ``metasim.experiments``; a
            suffix such as ``.seed3`` sets the seed.

    Raises:
        UserError: there is no such experiment, or one of its keys is wrong.
    """
    base = SEED_SUFFIX.sub("", name)
    folder = Path(configuration.metasim.experiments_folder)
    own_file = folder / f"{base}.yaml"
    over = configuration.metasim.experiments.get(base)
    if not own_file.exists() and over is None:
        known = experiment_names(configuration)
        raise UserError(
            f"no experiment '{base}': neither {own_file} nor the key metasim.experiments.{base} "
            f"exists. Known: {', '.join(known) or 'none'}." + nearest_name(base, known)
        )
    own = _read_yaml(own_file) if own_file.exists() else {}
    values = _over_target(configuration.metasim.defaults, own)
    values = _over_target(values, over or {})
    given = [Path(f) for f in files]
    layers = [_Layer(configuration.metasim.defaults, given, ("metasim", "defaults"))]
    if own_file.exists():
        layers.append(_Layer(own, [own_file]))
    if over is not None:
        layers.append(_Layer(over, given, ("metasim", "experiments", base)))
    experiment = _validate(Experiment, values, layers)
    suffix = SEED_SUFFIX.search(name)
    seed = int(suffix.group(1)) if suffix else experiment.seed
    seed = configuration.seed if seed is None else seed
    return experiment.model_copy(update={"seed": seed})


def experiment_names(configuration: Configuration) -> list[str]:
    """Return the names of all experiments, sorted."""
    folder = Path(configuration.metasim.experiments_folder)
    return sorted({p.stem for p in folder.glob("*.yaml")} | set(configuration.metasim.experiments))


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``first`` with ``second`` laid over it, key by key at every depth."""
    result = dict(first)
    for key, value in second.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def _over_target(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``merged``; a target of one kind in ``second`` replaces one of the other kind.

    A target has one source, so a folder laid over a grammar is no contradiction.
    """
    target, over = first.get("target"), second.get("target")
    if isinstance(target, Mapping) and isinstance(over, Mapping):
        kinds = {"grammar", "folder"}
        named = {kind for kind in kinds if over.get(kind) is not None}
        if len(named) == 1:
            dropped = kinds - named
            first = {**first, "target": {k: v for k, v in target.items() if k not in dropped}}
    return merged(first, second)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # a date out of range: ValueError
        raise UserError(f"{path}: cannot read this file as YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected keys and values, got {type(values).__name__}")
    return values


def _validate(model: type[Section], values: Mapping[str, Any], layers: list[_Layer]) -> Any:
    """Return the model of ``values``, merged from ``layers`` of which the last holds."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_describe(model, problem, layers) for problem in error.errors()]
        raise UserError("\n".join(problems)) from None


def _describe(model: type[Section], problem: Any, layers: list[_Layer]) -> str:
    """Return one line: where, key, what is wrong with the value, and the nearest valid name."""
    location, kind, value = problem["loc"], problem["type"], problem["input"]
    where, prefix = _find(location, layers)
    text = f"{where}: {'.'.join(str(p) for p in (*prefix, *location)) or 'configuration'}: "
    if kind == "extra_forbidden":
        names = _names_at(model, location[:-1])
        nearest = nearest_name(str(location[-1]), names)
        return f"{text}unknown key.{nearest} Known: {', '.join(names)}."
    if kind == "missing":
        return text + "this key is missing"
    if kind == "value_error":
        return text + problem["msg"].removeprefix("Value error, ")
    text += f"{problem['msg']}, got {value!r}"
    if kind == "literal_error":
        text += "." + nearest_name(str(value), re.findall(r"'([^']*)'", problem["msg"]))
    return text


def _names_at(model: type[Section], location: tuple[Any, ...]) -> list[str]:
    """Return the valid keys of the section at ``location``."""
    current: Any = model
    for part in location:
        annotation = current.model_fields[part].annotation
        choices = [annotation, *get_args(annotation)]
        current = next(c for c in choices if isinstance(c, type) and issubclass(c, BaseModel))
    return list(current.model_fields)


@dataclass(frozen=True)
class _Layer:
    """Values of one origin among those that are merged.

    Attributes:
        values: the values under ``prefix``, merged from ``files`` and the command line.
        files: in the order in which they were merged.
        prefix: where the values stand in the files.
    """

    values: Mapping[str, Any]
    files: list[Path]
    prefix: tuple[str, ...] = ()

    def origin(self, location: tuple[Any, ...]) -> str | None:
        """Return the file and line that set a key, or the command line; None if nothing did."""
        value = _value_at(self.values, location)
        if value is ABSENT:
            return None
        contents = [(path, _contents(path)) for path in self.files]
        key = (*self.prefix, *location)
        in_files: dict[str, Any] = {}
        for _, content in contents:
            in_files = merged(in_files, content)
        if not _same(_value_at(in_files, key), value):
            return COMMAND_LINE
        for path, content in reversed(contents):
            if _value_at(content, key) is not ABSENT:
                line = _line(path, key)
                return f"{path}:{line}" if line else str(path)
        return COMMAND_LINE


def _find(location: tuple[Any, ...], layers: list[_Layer]) -> tuple[str, tuple[str, ...]]:
    """Return where a key was set last, and the prefix under which it stands there.

    A key that is missing everywhere belongs into the experiment's own file, or else into
    whatever names the experiment.
    """
    for layer in reversed(layers):
        origin = layer.origin(location)
        if origin:
            return origin, layer.prefix
    own = next((layer for layer in layers if not layer.prefix and layer.files), None)
    if own:
        return str(own.files[-1]), ()
    return layers[-1].origin(()) or COMMAND_LINE, layers[-1].prefix


def _contents(path: Path) -> dict[str, Any]:
    try:
        return _read_yaml(path)
    except UserError:
        return {}


def _same(first: Any, second: Any) -> bool:
    """Return whether two values read the same: True is not 1, and NaN is NaN."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first == second
    return repr(first) == repr(second)


def _value_at(values: Any, location: tuple[Any, ...]) -> Any:
    """Return the value of a key at any depth, or ABSENT."""
    for part in location:
        if isinstance(values, Mapping):
            # The names of keys that are no strings reach error messages as strings.
            values = next((v for k, v in values.items() if k == part or str(k) == part), ABSENT)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return ABSENT
    return values


def _line(path: Path, location: tuple[Any, ...]) -> int | None:
    """Return the line of a key in a YAML file, counted from 1, or None."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return None
    mark = None
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pairs = [(k, v) for k, v in node.value if k.value == str(part)]
            if not pairs:
                return None
            key, node = pairs[-1]  # of a key that stands twice the last one holds
            mark = key.start_mark
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                return None
            node = node.value[part]
            mark = node.start_mark
        else:
            return None
    return mark.line + 1 if mark else None
