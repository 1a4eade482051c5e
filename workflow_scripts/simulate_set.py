"""Make a simulated set."""

from simtailor.reporting import reporter
from simtailor.simulation.machine import Machine
from simtailor.simulation.making import SetPlan, make_set

name = snakemake.wildcards.parameters
machine = Machine(snakemake.params.device, snakemake.threads, snakemake.params.cache)
plan = SetPlan.create(name, snakemake.params.settings)
with reporter(snakemake.log[0], name) as report:
    make_set(plan, machine, snakemake.params.work, snakemake.output[0], report)
