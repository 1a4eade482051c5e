"""Compile the ray caster's kernels into the workflow's cache."""

from simtailor.gpus import hold_gpus
from simtailor.render.raycast.compilation import compile_kernels
from simtailor.reporting import reporter

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

with reporter(snakemake.log[0], "compile_renderer") as report:
    text = compile_kernels(snakemake.params.cache, snakemake.params.device)
    report(text)
    with open(snakemake.output[0], "w") as file:
        file.write(f"{text}\n")
