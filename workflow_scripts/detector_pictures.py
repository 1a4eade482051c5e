"""Draw the pictures of one source for the training of detectors."""

from simtailor.detector.drawing import draw_pictures
from simtailor.detector.settings import LabelledTiles
from simtailor.gpus import hold_gpus
from simtailor.metasim.stage import Machine
from simtailor.reporting import reporter

files, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
hold_gpus(snakemake.resources.gpu, params.device)
machine = Machine(params.device, snakemake.threads, params.cache)
with reporter(snakemake.log[0], f"pictures of {wildcards.experiment}") as report:
    draw_pictures(
        files.fit,
        wildcards.drawn,
        LabelledTiles.model_validate(params.tiles),
        params.images,
        params.widen,
        machine,
        snakemake.output[0],
        report,
    )
