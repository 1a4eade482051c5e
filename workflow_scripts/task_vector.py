"""Compute the task vector of one task."""

from simtailor.files import write_json
from simtailor.gpus import hold_gpus
from simtailor.reporting import reporter
from simtailor.task2vec.settings import Task2Vec
from simtailor.task2vec.vectors import task_vector, write_vector
from simtailor.tasks.prepared import PreparedTask

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

params = snakemake.params
with reporter(snakemake.log[0], snakemake.wildcards.task) as report:
    settings = Task2Vec.model_validate(params.settings)
    task = PreparedTask.read(snakemake.input.task)
    found, facts = task_vector(task, settings, params.device, params.cache, params.seed, report)
    write_vector(snakemake.output.vector, found)
    write_json(snakemake.output.facts, facts)
    report(f"{facts['length']} filters, {facts['draws']} draws")
