"""Choose the sets that a new task is tried on next."""

from simtailor.controller.evidence import read_evidence
from simtailor.controller.explore import propose_round
from simtailor.controller.settings import Controller
from simtailor.reporting import reporter
from simtailor.tracking.jobs import tracked_job

files, params, task = snakemake.input, snakemake.params, snakemake.wildcards.task
with (
    reporter(snakemake.log[0], f"explore {task}") as report,
    tracked_job(snakemake, report, f"task2sim/explore/{task}"),
):
    evidence = read_evidence(params.folder, params.evidence, params.screening, params.task_folder)
    if evidence.dropped:
        report(evidence.dropped)
    content = propose_round(
        files.reward_db,
        files.task_vectors,
        files.vector,
        task,
        files.get("earlier", []),
        evidence,
        params.sets,
        Controller.model_validate(params.settings),
        params.results,
        snakemake.output[0],
        screening=params.screens,
    )
    for name in content["sets"]:
        report(f"{'screen' if params.screens else 'try'} {name}")
    report(f"recommended after {content['evaluated']} evaluations: {content['recommended']}")
