"""Make a simulated set."""

from simtailor.finishing import finish
from simtailor.gpus import hold_gpus
from simtailor.reporting import reporter
from simtailor.simulation.making import SetPlan, make_set
from simtailor.simulation.simulators import simulator_of_job

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

name = snakemake.wildcards.parameters
with reporter(snakemake.log[0], name) as report:
    plan = SetPlan.create(name, snakemake.params.settings)
    catalogue, machine = simulator_of_job(snakemake, plan.settings, report)
    make_set(plan, catalogue, machine, snakemake.params.work, snakemake.output[0], report)
    finish(snakemake, report)
