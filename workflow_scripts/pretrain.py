"""Pre-train the backbone of a set, or those of a group of sets."""

from pathlib import Path

from simtailor.pretrain.stage import Job, run
from simtailor.reporting import reporter

output, names = Path(snakemake.output[0]), snakemake.params.names
resources = {key: snakemake.resources[key] for key in ("cache_mb", "workers")}
group = "group" in snakemake.wildcards.keys()  # noqa: SIM118
job = Job(
    names=names,
    sets=list(snakemake.input),
    outputs=[str(output / name) if group else str(output) for name in names],
    settings=snakemake.params.settings | resources,
    seed=snakemake.params.seed,
    device=snakemake.params.device,
    threads=snakemake.threads,
    checkpoint=snakemake.params.checkpoint,
)
with reporter(snakemake.log[0], output.name) as report:
    run(job, report)
