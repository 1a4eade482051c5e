"""Try to classify a task from one origin: raw pixels, or a network of some kind."""

import torch

from simtailor.classifier.origins import try_origin
from simtailor.gpus import hold_gpus
from simtailor.reporting import reporter
from simtailor.tasks.prepared import PreparedTask

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

torch.set_num_threads(snakemake.threads)
task, origin, params = snakemake.wildcards.task, snakemake.wildcards.origin, snakemake.params
with reporter(snakemake.log[0], f"{task} from {origin}") as report:
    try_origin(
        origin,
        PreparedTask.read(snakemake.input.task),
        snakemake.input.network,
        params.settings,
        params.seed,
        params.device,
        params.resources,
        snakemake.output[0],
        report,
    )
