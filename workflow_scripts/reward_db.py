"""Assemble the reward database from the evaluations."""

from simtailor.evaluate.reward_db import write_reward_database
from simtailor.reporting import reporter

baselines = snakemake.input.baselines
with reporter(snakemake.log[0], "reward_db") as report:
    summary = write_reward_database(
        snakemake.input.evaluations,
        baselines if isinstance(baselines, str) else next(iter(baselines), None),
        snakemake.params.sets,
        snakemake.params.tasks,
        snakemake.params.method,
        snakemake.output.database,
        snakemake.output.folder,
    )
    report(summary["verdict"])
    for name, tasks in summary["missing"].items():
        report(f"missing: {name} on {', '.join(tasks)}")
