"""The typed configuration: defaults, validation, JSON schema and reference page from one model.

Values come, each over the one before, from the defaults below, ``metasim.defaults`` in
config/config.yaml, the experiment's own file, and ``metasim.experiments.NAME`` in any file
given with ``--configfile``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from simtailor.classifier.settings import Classifier
from simtailor.controller.settings import Controller
from simtailor.detector.settings import Detector
from simtailor.errors import UserError, nearest_name
from simtailor.evaluate.settings import Evaluate
from simtailor.fitted.settings import Datasets
from simtailor.layers import Layer, merged, read_words
from simtailor.metasim.settings import Experiment, MetaSim
from simtailor.pretrain.settings import Pretrain
from simtailor.render.registry import BUILT_IN, DEFAULT, settings_of
from simtailor.section import NAME_PATTERN, NAME_RULE, Folder, Section, Unique
from simtailor.seeds import SEED_SUFFIX
from simtailor.simulation.settings import Simulation
from simtailor.task2vec.settings import Task2Vec
from simtailor.tasks.settings import Tasks
from simtailor.tracking.registry import NONE, check_name
from simtailor.validation import validate
from simtailor.worth.settings import Worth
from simtailor.yaml_files import read_yaml

SUFFIXES = (".yaml", ".yml")


class Task2Sim(Section):
    """The Task2Sim stages."""

    simulation: Simulation = Simulation()
    pretrain: Pretrain = Pretrain()
    tasks: Tasks = Tasks()
    task2vec: Task2Vec = Task2Vec()
    evaluate: Evaluate = Evaluate()
    controller: Controller = Controller()
    classifier: Classifier = Classifier()


class Configuration(Section):
    """The whole configuration."""

    seed: Annotated[int, Field(ge=0, strict=True)] = Field(0, description="Decides everything.")
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = Field(
        "cpu", description="'cpu', 'cuda' or 'cuda:N'."
    )
    results: Folder = Field("results", description="Folder of the results.")
    work: Folder = Field("work", description="Folder of intermediate files.")
    resources: Folder = Field("resources", description="Folder of caches and fetched packages.")
    dag_targets: Annotated[list[str], Unique] = Field(
        ["all"], description="What the target 'dag' draws."
    )
    tracking: Annotated[str, AfterValidator(check_name)] = Field(
        NONE,
        description="Where curves of trainings and evaluations go, beside the results: none, "
        "tensorboard, trackio, wandb (offline) or mlflow. Changes no result.",
    )
    metasim: MetaSim = MetaSim()
    datasets: Datasets = Datasets()
    detector: Detector = Detector()
    worth: Worth = Worth()
    task2sim: Task2Sim = Task2Sim()


def load_configuration(values: Mapping[str, Any], files: Iterable[str | Path]) -> Configuration:
    """Validate the merged configuration.

    Args:
        values: the merged values of all files and of the command line.
        files: the files, in the order in which they were merged, for error messages.

    Raises:
        UserError: names file, line, key, value and the nearest valid name.
    """
    paths = [Path(f) for f in files]
    in_files: dict[str, Any] = {}
    for path in paths:  # Snakemake reads them too, but keys that stand twice pass there
        in_files = merged(in_files, read_yaml(path))
    values = read_words(values, in_files)
    return validate(Configuration, values, [Layer(values, paths)])


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
    own_file = _experiment_file(configuration, base)
    over = configuration.metasim.experiments.get(base)
    if own_file is None and over is None:
        known = experiment_names(configuration)
        raise UserError(
            f"no experiment '{base}': neither {configuration.metasim.experiments_folder}/"
            f"{base}.yaml nor the key metasim.experiments.{base} exists. "
            f"Known: {', '.join(known) or 'none'}." + nearest_name(base, known)
        )
    own = read_yaml(own_file) if own_file else {}
    defaults = _defaults_for(configuration.metasim.defaults, {**own, **(over or {})})
    values = _over_target(defaults, own)
    values = _over_target(values, over or {})
    given = [Path(f) for f in files]
    layers = [Layer(configuration.metasim.defaults, given, ("metasim", "defaults"))]
    if own_file:
        layers.append(Layer(own, [own_file]))
    if over is not None:
        layers.append(Layer(over, given, ("metasim", "experiments", base)))
    experiment = validate(Experiment.with_stage_of(_renderer_of(values)), values, layers)
    suffix = SEED_SUFFIX.search(name)
    seed = int(suffix.group(1)) if suffix else experiment.seed
    seed = configuration.seed if seed is None else seed
    return experiment.model_copy(update={"seed": seed})


def experiment_names(configuration: Configuration) -> list[str]:
    """Return the names of all experiments, sorted."""
    folder = Path(configuration.metasim.experiments_folder)
    files = (path for suffix in SUFFIXES for path in folder.glob(f"*{suffix}"))
    names = {path.stem for path in files if not path.name.startswith(".")}
    return sorted(names | set(configuration.metasim.experiments))


def _experiment_file(configuration: Configuration, name: str) -> Path | None:
    """Return the file of an experiment, if it has one.

    Raises:
        UserError: it has two, or its name cannot be part of a target's name.
    """
    folder = Path(configuration.metasim.experiments_folder)
    found = [path for suffix in SUFFIXES if os.path.exists(path := folder / f"{name}{suffix}")]
    if len(found) > 1:
        raise UserError(f"{found[1]}: {found[0]} is the same experiment. Remove one of the two.")
    if found and not re.match(NAME_PATTERN, name):
        raise UserError(
            f"{found[0]}: the name of an experiment's file cannot be {name!r}: {NAME_RULE}. "
            "Rename the file."
        )
    return found[0] if found else None


def _renderer_of(values: Mapping[str, Any]) -> Any:
    return values.get("renderer", DEFAULT)


def _defaults_for(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``metasim.defaults`` without what they say to another renderer than the experiment's.

    Those are keys of ``stage`` that a built-in renderer knows and the experiment's does not.
    """
    stage = defaults.get("stage")
    settings = settings_of(_renderer_of({**defaults, **own}))
    if not isinstance(stage, Mapping) or settings is None:
        return defaults
    elsewhere = {key for other in BUILT_IN.values() for key in other.settings.model_fields}
    others = elsewhere - set(settings.model_fields)
    return {**defaults, "stage": {k: v for k, v in stage.items() if k not in others}}


def _over_target(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``merged``; a target of one kind in ``second`` replaces one of the other kind.

    A target has one source, so a folder laid over a grammar is no contradiction.
    """
    target, over = first.get("target"), second.get("target")
    if isinstance(target, Mapping) and isinstance(over, Mapping):
        kinds = {"grammar", "folder", "picture", "build"}
        named = {kind for kind in kinds if over.get(kind) is not None}
        if len(named) == 1:
            dropped = kinds - named
            first = {**first, "target": {k: v for k, v in target.items() if k not in dropped}}
    return merged(first, second)
