"""Render some of the shards of a simulated set."""

from simtailor.files import write_json
from simtailor.gpus import hold_gpus
from simtailor.reporting import reporter
from simtailor.simulation.making import SetPlan, make_shards
from simtailor.simulation.simulators import simulator_of_job

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

name, part = snakemake.wildcards.parameters, int(snakemake.wildcards.part)
with reporter(snakemake.log[0], f"{name} part {part}") as report:
    plan = SetPlan.create(name, snakemake.params.settings)
    catalogue, machine = simulator_of_job(snakemake, plan.settings, report)
    parts = snakemake.params.parts
    make_shards(plan, catalogue, machine, snakemake.params.work, report, part=part, parts=parts)
    write_json(snakemake.output[0], {"part": part, "parts": parts})
