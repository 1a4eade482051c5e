"""Prepare a task, and show it."""

from simtailor.finishing import finish
from simtailor.reporting import reporter
from simtailor.tasks.prepare import TaskSize, prepare_task
from simtailor.tasks.results import write_shown
from simtailor.tasks.table import TaskRow

name, params = snakemake.wildcards.task, snakemake.params
with reporter(snakemake.log[0], name) as report:
    row = TaskRow.model_validate(params.row)
    size, threads = TaskSize(**params.size), snakemake.threads
    task, summary = prepare_task(row, size, params.cache, params.seed, report, threads)
    task.write(snakemake.output.prepared)
    write_shown(task, summary, snakemake.output.shown)
    report("{train} training and {test} test images; split: {split}".format(**summary))
    finish(snakemake, report)
