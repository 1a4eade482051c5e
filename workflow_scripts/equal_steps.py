"""Train a backbone, or the same network from scratch, on all tasks for few steps."""

from pathlib import Path

import torch

from simtailor.evaluate.equal_steps import train_at_equal_steps
from simtailor.evaluate.evidence import digest_of
from simtailor.evaluate.settings import Evaluate
from simtailor.files import checksum
from simtailor.gpus import hold_gpus
from simtailor.pretrain.backbone import Backbone
from simtailor.pretrain.settings import Pretrain
from simtailor.provenance import write_provenance
from simtailor.reporting import reporter
from simtailor.tasks.listing import read_task_list
from simtailor.tracking.jobs import tracked_job

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

torch.set_num_threads(snakemake.threads)
name, params = snakemake.wildcards.start, snakemake.params
settings = Evaluate.model_validate(params.settings)
if snakemake.input.backbone:
    folder = Path(str(snakemake.input.backbone))
    start = Backbone.read(folder, params.device, settings.image_size)
    digest = checksum(folder / "model.safetensors")
else:
    pretrain, seed = Pretrain.model_validate(params.pretrain), params.seed + params.pair
    start = Backbone.random(pretrain, seed, params.device, settings.image_size)
    digest = digest_of(params.pretrain, seed)
with reporter(snakemake.log[0], name) as report, tracked_job(snakemake, report):
    train_at_equal_steps(
        name,
        start,
        digest,
        params.pair,
        read_task_list(snakemake.input.tasks),
        settings,
        params.seed,
        params.cache,
        snakemake.output[0],
        report,
    )
    write_provenance(snakemake)
