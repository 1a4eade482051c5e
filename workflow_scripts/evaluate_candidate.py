"""Evaluate a backbone on a new task: on its validation part, and on its test part."""

from pathlib import Path

import torch

from simtailor.controller.evidence import write_evidence
from simtailor.evaluate.evidence import digest_of
from simtailor.evaluate.settings import Evaluate
from simtailor.evaluate.stage import evaluate_set
from simtailor.gpus import hold_gpus
from simtailor.reporting import reporter
from simtailor.tracking.jobs import tracked_job

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

torch.set_num_threads(snakemake.threads)
files, params, name = snakemake.input, snakemake.params, snakemake.wildcards.backbone
evaluation = Path(params.cache) / "evaluation.json"
with (
    reporter(snakemake.log[0], f"{name} on {snakemake.wildcards.task}") as report,
    tracked_job(snakemake, report),
):
    evaluate_set(
        name,
        files.backbone,
        [files.task, files.validation],
        Evaluate.model_validate(params.settings),
        params.seed,
        params.device,
        digest_of(params.evidence),
        params.cache,
        evaluation,
        report,
    )
    write_evidence(
        evaluation, snakemake.wildcards.task, params.evidence, files.task, snakemake.output[0]
    )
