"""Train and compare the policies."""

from simtailor.controller.settings import Controller
from simtailor.controller.stage import run_controller
from simtailor.finishing import finish
from simtailor.reporting import reporter

with reporter(snakemake.log[0], "controller") as report:
    run_controller(
        snakemake.input.reward_db,
        snakemake.input.task_vectors,
        Controller.model_validate(snakemake.params.settings),
        snakemake.output[0],
        seed=snakemake.params.seed,
        threads=snakemake.threads,
        cache=snakemake.params.cache,
        report=report,
    )
    finish(snakemake, report)
