"""Cut a validation part from a task's training images."""

from simtailor.controller.evidence import validation_task
from simtailor.reporting import reporter
from simtailor.tasks.prepared import PreparedTask

with reporter(snakemake.log[0], snakemake.wildcards.task) as report:
    task = validation_task(PreparedTask.read(snakemake.input[0]), snakemake.params.seed)
    task.write(snakemake.output[0])
    report("{train} images to train and {test} to validate".format(**task.facts))
