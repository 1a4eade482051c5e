"""Evaluate one backbone on all tasks of the study."""

import torch

from simtailor.evaluate.settings import Evaluate
from simtailor.evaluate.stage import evaluate_set
from simtailor.gpus import hold_gpus
from simtailor.provenance import write_provenance
from simtailor.reporting import reporter
from simtailor.tasks.listing import read_task_list
from simtailor.tracking.jobs import tracked_job

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

torch.set_num_threads(snakemake.threads)
name, params = snakemake.wildcards.backbone, snakemake.params
with reporter(snakemake.log[0], name) as report, tracked_job(snakemake, report):
    evaluate_set(
        name,
        snakemake.input.backbone,
        read_task_list(snakemake.input.tasks),
        Evaluate.model_validate(params.settings),
        params.seed,
        params.device,
        params.evidence,
        params.cache,
        snakemake.output[0],
        report,
    )
    write_provenance(snakemake)
