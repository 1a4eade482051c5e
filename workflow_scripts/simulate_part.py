"""Render some of the shards of a simulated set."""

from simtailor.files import write_json
from simtailor.gpus import hold_gpus
from simtailor.reporting import reporter
from simtailor.simulation.catalogue import read_catalogue
from simtailor.simulation.machine import Machine
from simtailor.simulation.making import SetPlan, make_shards

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

name, part = snakemake.wildcards.parameters, int(snakemake.wildcards.part)
machine = Machine(snakemake.params.device, snakemake.threads, snakemake.params.cache)
with reporter(snakemake.log[0], f"{name} part {part}") as report:
    catalogue = read_catalogue(snakemake.input.assets, cache=machine.cache)
    plan = SetPlan.create(name, snakemake.params.settings)
    parts = snakemake.params.parts
    make_shards(plan, catalogue, machine, snakemake.params.work, report, part=part, parts=parts)
    write_json(snakemake.output[0], {"part": part, "parts": parts})
