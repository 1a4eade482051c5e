"""Assemble the reward database from the evaluations."""

from simtailor.evaluate.reward_db import write_reward_database
from simtailor.finishing import finish
from simtailor.reporting import reporter

baselines, params = snakemake.input.baselines, snakemake.params
with reporter(snakemake.log[0], "reward_db") as report:
    summary = write_reward_database(
        snakemake.input.evaluations,
        baselines if isinstance(baselines, str) else next(iter(baselines), None),
        snakemake.input.equal_steps,
        params.sets,
        params.tasks,
        params.methods,
        params.evidence,
        snakemake.output.database,
        snakemake.output.folder,
    )
    for sentence in summary["sentences"]:
        report(sentence)
    for name, tasks in summary["missing"].items():
        report(f"missing: {name} on {', '.join(tasks)}")
    for path in summary["outdated"]:
        report(f"not counted, of other settings: {path}")
    finish(snakemake, report)
