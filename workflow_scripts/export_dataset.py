"""Export the data set of an experiment to another format."""

from simtailor.datasets.exporting import export
from simtailor.fitted.reading import FittedSet
from simtailor.provenance import write_provenance
from simtailor.reporting import reporter

wildcards = snakemake.wildcards
with reporter(snakemake.log[0], f"{wildcards.format} {wildcards.experiment}") as report:
    made = FittedSet(snakemake.input.made)
    export(made, wildcards.format, snakemake.output[0])
    report(f"{len(made)} images")
    write_provenance(snakemake)
