"""Show what each simulation parameter does, and the classes."""

from simtailor.finishing import finish
from simtailor.gpus import hold_gpus
from simtailor.reporting import reporter
from simtailor.simulation.pictures import picture_parameters
from simtailor.simulation.settings import Simulation
from simtailor.simulation.simulators import simulator_of_job

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

with reporter(snakemake.log[0], "simulation_pictures") as report:
    settings = Simulation.model_validate(snakemake.params.settings)
    catalogue, machine = simulator_of_job(snakemake, settings, report)
    picture_parameters(settings, catalogue, machine, snakemake.output[0])
    report(f"wrote {snakemake.output[0]}")
    finish(snakemake, report)
