"""Make a simulated set."""

from simtailor.finishing import finish
from simtailor.gpus import hold_gpus
from simtailor.reporting import reporter
from simtailor.simulation.machine import Machine
from simtailor.simulation.making import SetPlan, make_set
from simtailor.simulation.simulators import simulator_of

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

name = snakemake.wildcards.parameters
machine = Machine(snakemake.params.device, snakemake.threads, snakemake.params.cache)
with reporter(snakemake.log[0], name) as report:
    plan = SetPlan.create(name, snakemake.params.settings)
    catalogue, machine = simulator_of(
        plan.settings,
        machine,
        snakemake.input.assets,
        snakemake.log[0],
        report,
        snakemake.config["threedworld"],
    )
    make_set(plan, catalogue, machine, snakemake.params.work, snakemake.output[0], report)
    finish(snakemake, report)
