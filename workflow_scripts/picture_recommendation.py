"""Show images made with the parameters that are recommended for a task."""

import yaml

from simtailor.finishing import finish
from simtailor.gpus import hold_gpus
from simtailor.reporting import reporter
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.pictures import preview
from simtailor.simulation.settings import Simulation
from simtailor.simulation.simulators import simulator_of_job

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

task, output = snakemake.wildcards.task, snakemake.output[0]
with reporter(snakemake.log[0], task) as report:
    with open(snakemake.input.recommendation, encoding="utf-8") as file:
        name = yaml.safe_load(file)["set"]
    settings = Simulation.model_validate(snakemake.params.settings)
    if settings.seed is None:
        settings = settings.model_copy(update={"seed": snakemake.params.seed})
    catalogue, machine = simulator_of_job(snakemake, settings, report)
    parameters = SimulationParameters.parse(name)
    preview(parameters, settings, catalogue, machine, output, title=f"{task}: {name}")
    report(f"wrote {output}")
    finish(snakemake, report)
