"""Make the target images of an experiment."""

from simtailor.gpus import hold_gpus
from simtailor.metasim.stage import Machine, experiment_from, make_target
from simtailor.reporting import reporter

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

machine = Machine(snakemake.params.device, snakemake.threads, snakemake.params.cache)
experiment = experiment_from(snakemake.params.settings)
with reporter(snakemake.log[0], snakemake.wildcards.experiment) as report:
    make_target(experiment, machine, snakemake.output[0], report)
