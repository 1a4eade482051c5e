"""Draw a data set from the results of an experiment."""

from simtailor.finishing import finish
from simtailor.fitted.settings import Datasets
from simtailor.fitted.stage import make_dataset
from simtailor.gpus import hold_gpus
from simtailor.metasim.stage import Machine
from simtailor.reporting import reporter

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

name, output = snakemake.wildcards.experiment, snakemake.output[0]
machine = Machine(snakemake.params.device, snakemake.threads, snakemake.params.cache)
settings = Datasets.model_validate(snakemake.params.settings)
with reporter(snakemake.log[0], f"data set {name}") as report:
    make_dataset(
        name, snakemake.input.fit, settings, machine, snakemake.params.work, output, report
    )
    finish(snakemake, report)
