"""Train a detector on the pictures of one source, and try it on the test pictures."""

from simtailor.detector.settings import DetectorTraining, LabelledTiles
from simtailor.detector.stage import train_and_detect, training_pictures
from simtailor.gpus import hold_gpus
from simtailor.reporting import reporter

files, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
hold_gpus(snakemake.resources.gpu, params.device)
tiles = LabelledTiles.model_validate(params.tiles)
settings = DetectorTraining.model_validate(params.training)
with reporter(snakemake.log[0], f"detector {wildcards.source}.{wildcards.number}") as report:
    drawn, resources = list(files.get("drawn", [])), params.resources
    train_and_detect(
        training_pictures(drawn, tiles, resources, params.images, params.classes),
        tiles,
        settings,
        params.classes,
        int(wildcards.number),
        resources,
        snakemake.output[0],
        report,
        params.device,
    )
