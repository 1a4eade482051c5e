"""Assemble the results directory of an experiment."""

from pathlib import Path

from simtailor.files import read_json
from simtailor.finishing import finish
from simtailor.gpus import hold_gpus
from simtailor.metasim.stage import Machine, experiment_from, make_results
from simtailor.reporting import reporter

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

name, output = snakemake.wildcards.experiment, snakemake.output[0]
machine = Machine(snakemake.params.device, snakemake.threads, snakemake.params.cache)
experiment = experiment_from(snakemake.params.settings)
training = str(Path(snakemake.input.progress).parent)
with reporter(snakemake.log[0], name) as report:
    make_results(name, experiment, machine, snakemake.input.images[0], training, output, report)
    report(read_json(Path(output) / "summary.json")["verdict"])
    finish(snakemake, report)
