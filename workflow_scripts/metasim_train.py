"""Train the generator of an experiment."""

from pathlib import Path

from simtailor.gpus import hold_gpus
from simtailor.metasim.stage import Machine, experiment_from, train
from simtailor.reporting import reporter
from simtailor.tracking.jobs import tracked_job

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

machine = Machine(snakemake.params.device, snakemake.threads, snakemake.params.cache)
experiment = experiment_from(snakemake.params.settings)
output = str(Path(snakemake.output.progress).parent)
with (
    reporter(snakemake.log[0], snakemake.wildcards.experiment) as report,
    tracked_job(snakemake, report),
):
    train(
        experiment, machine, snakemake.input.images[0], output, snakemake.params.checkpoint, report
    )
