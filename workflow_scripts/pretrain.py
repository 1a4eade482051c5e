"""Pre-train the backbone of a set."""

from simtailor.finishing import finish
from simtailor.gpus import hold_gpus
from simtailor.pretrain.stage import Job, run
from simtailor.reporting import reporter
from simtailor.tracking.jobs import tracked_job

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

name = snakemake.wildcards.backbone
resources = {key: snakemake.resources[key] for key in ("cache_mb", "workers")}
resources["nodes"] = snakemake.resources.get("nodes", 1)
job = Job(
    name=name,
    simulated=snakemake.input.simulated,
    output=snakemake.output[0],
    settings=snakemake.params.settings | resources,
    seed=snakemake.params.seed,
    device=snakemake.params.device,
    threads=snakemake.threads,
    checkpoint=snakemake.params.checkpoint,
)
with reporter(snakemake.log[0], name) as report, tracked_job(snakemake, report):
    run(job, report)
    finish(snakemake, report)
