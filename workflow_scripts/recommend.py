"""Recommend simulation parameters for a task."""

from simtailor.controller.recommend import write_recommendation
from simtailor.controller.settings import Controller
from simtailor.reporting import reporter

with reporter(snakemake.log[0], snakemake.wildcards.task) as report:
    content = write_recommendation(
        snakemake.input.reward_db,
        snakemake.input.task_vectors,
        snakemake.input.vector,
        snakemake.params.method,
        snakemake.wildcards.task,
        Controller.model_validate(snakemake.params.settings),
        snakemake.params.results,
        snakemake.output[0],
    )
    report(f"{content['set']}: {content['why']}")
