"""The typed configuration: defaults, validation, JSON schema and reference page from one model.

Values come, each over the one before, from the defaults below, ``metasim.defaults`` in
config/config.yaml, the experiment's own file, and ``metasim.experiments.NAME`` in any file
given with ``--configfile``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from simtailor.controller.settings import Controller
from simtailor.errors import UserError, nearest_name
from simtailor.evaluate.settings import Evaluate
from simtailor.layers import Layer, merged
from simtailor.metasim.settings import Experiment, MetaSim
from simtailor.pretrain.settings import Pretrain
from simtailor.section import Section
from simtailor.seeds import SEED_SUFFIX
from simtailor.simulation.settings import Simulation
from simtailor.task2vec.settings import Task2Vec
from simtailor.tasks.settings import Tasks
from simtailor.validation import validate
from simtailor.yaml_files import read_yaml


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
    return validate(Configuration, values, [Layer(values, [Path(f) for f in files])])


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
    own = read_yaml(own_file) if own_file.exists() else {}
    values = _over_target(configuration.metasim.defaults, own)
    values = _over_target(values, over or {})
    given = [Path(f) for f in files]
    layers = [Layer(configuration.metasim.defaults, given, ("metasim", "defaults"))]
    if own_file.exists():
        layers.append(Layer(own, [own_file]))
    if over is not None:
        layers.append(Layer(over, given, ("metasim", "experiments", base)))
    experiment = validate(Experiment, values, layers)
    suffix = SEED_SUFFIX.search(name)
    seed = int(suffix.group(1)) if suffix else experiment.seed
    seed = configuration.seed if seed is None else seed
    return experiment.model_copy(update={"seed": seed})


def experiment_names(configuration: Configuration) -> list[str]:
    """Return the names of all experiments, sorted."""
    folder = Path(configuration.metasim.experiments_folder)
    return sorted({p.stem for p in folder.glob("*.yaml")} | set(configuration.metasim.experiments))


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
