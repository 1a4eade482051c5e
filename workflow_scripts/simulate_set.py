"""Make a simulated set."""

from simtailor.finishing import finish
from simtailor.gpus import hold_gpus
from simtailor.reporting import reporter
from simtailor.simulation.catalogue import read_catalogue
from simtailor.simulation.machine import Machine
from simtailor.simulation.making import SetPlan, make_set

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

name = snakemake.wildcards.parameters
machine = Machine(snakemake.params.device, snakemake.threads, snakemake.params.cache)
with reporter(snakemake.log[0], name) as report:
    catalogue = read_catalogue(snakemake.input.assets, cache=machine.cache)
    plan = SetPlan.create(name, snakemake.params.settings)
    make_set(plan, catalogue, machine, snakemake.params.work, snakemake.output[0], report)
    finish(snakemake, report)
