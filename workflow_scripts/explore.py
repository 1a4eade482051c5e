"""Say which set to use for a new task, after a few were tried on it."""

from simtailor.controller.evidence import read_evidence
from simtailor.controller.explore import write_exploration
from simtailor.controller.settings import Controller
from simtailor.finishing import finish
from simtailor.reporting import reporter

files, params, task = snakemake.input, snakemake.params, snakemake.wildcards.task
with reporter(snakemake.log[0], f"explore {task}") as report:
    content = write_exploration(
        files.reward_db,
        files.task_vectors,
        files.vector,
        task,
        files.rounds,
        read_evidence(params.folder, params.evidence, params.screening, files.task),
        Controller.model_validate(params.settings),
        params.results,
        snakemake.output[0],
    )
    report(content["verdict"])
    finish(snakemake, report)
