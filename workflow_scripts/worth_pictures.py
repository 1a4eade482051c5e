"""Make the pictures of one source, with the labels of a task."""

from simtailor.gpus import hold_gpus
from simtailor.metasim.stage import Machine
from simtailor.reporting import reporter
from simtailor.worth.inputs import Trial
from simtailor.worth.pictures import Sizes, make_examples

files, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
hold_gpus(snakemake.resources.gpu, params.device)
machine = Machine(params.device, snakemake.threads, params.cache)
with reporter(snakemake.log[0], f"pictures of {wildcards.experiment}") as report:
    make_examples(
        wildcards.kind,
        wildcards.examples,
        files.fit,
        Trial.model_validate(params.trial),
        Sizes(params.images, params.test_images, params.image_size),
        params.widen,
        machine,
        snakemake.output[0],
        report,
    )
