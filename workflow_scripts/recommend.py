"""Recommend simulation parameters for a task."""

from simtailor.controller.evidence import read_evidence
from simtailor.controller.recommend import write_recommendation
from simtailor.controller.settings import Controller
from simtailor.finishing import finish
from simtailor.reporting import reporter

files, params, task = snakemake.input, snakemake.params, snakemake.wildcards.task
with reporter(snakemake.log[0], task) as report:
    evidence = read_evidence(params.folder, params.evidence, params.screening, params.task_folder)
    for sentence in filter(None, (evidence.dropped, params.other_evidence)):
        report(sentence)
    content = write_recommendation(
        files.reward_db,
        files.task_vectors,
        files.vector,
        task,
        evidence,
        Controller.model_validate(params.settings),
        params.results,
        params.other_evidence,
        snakemake.output[0],
    )
    report(f"{content['set']}: {content['why']}")
    finish(snakemake, report)
