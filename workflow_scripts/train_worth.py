"""Train a network on the pictures of one source, and have it guess what the test pictures show."""

from simtailor.gpus import hold_gpus
from simtailor.reporting import reporter
from simtailor.worth.results import train_and_guess
from simtailor.worth.settings import WorthTraining

files, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
hold_gpus(snakemake.resources.gpu, params.device)
name = f"{wildcards.kind}, {wildcards.source_of_worth}.{wildcards.number}"
with reporter(snakemake.log[0], name) as report:
    train_and_guess(
        wildcards.kind,
        files.pictures,
        files.test,
        WorthTraining.model_validate(params.training),
        int(wildcards.number),
        params.resources,
        snakemake.output[0],
        report,
        params.device,
    )
