"""Export a simulated set to another format."""

from simtailor.datasets.exporting import export
from simtailor.provenance import write_provenance
from simtailor.reporting import reporter
from simtailor.simulation.reading import SimulatedSet

wildcards = snakemake.wildcards
with reporter(snakemake.log[0], f"{wildcards.format} {wildcards.parameters}") as report:
    made = SimulatedSet(snakemake.input.made)
    export(made, wildcards.format, snakemake.output[0])
    report(f"{len(made)} images")
    write_provenance(snakemake)
