"""Results of an experiment as a training would leave them, without a training."""

from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

from simtailor.files import write_json
from simtailor.metasim.generators import make_generator
from simtailor.metasim.settings import Experiment
from simtailor.metasim.stage import Machine


def write_fit(folder: Path, experiment: Experiment, machine: Machine, intervals: dict) -> Path:
    """Write the results of a fit that is the prior itself.

    Args:
        intervals: of the means, by attribute.
    """
    folder.mkdir(parents=True)
    grammar = experiment.read_grammar(experiment.grammar)
    with machine.renderer(experiment, print) as renderer:
        generator = make_generator(experiment, grammar, renderer)
    weights = {name: torch.clone(value) for name, value in generator.state_dict().items()}
    save_file(weights, folder / "generator.safetensors")
    (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment.model_dump(mode="json")))
    statistics = {"mean": 1.0, "std": 1.0}
    attributes = {
        name: {"unit": "", "prior": statistics, "generated": {**statistics, "mean_95": interval}}
        for name, interval in intervals.items()
    }
    summary = {"converged": True, "verdict": "Converged: it is a test.", "attributes": attributes}
    write_json(folder / "summary.json", summary)
    return folder
