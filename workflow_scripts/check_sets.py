"""Compare every shard of the study's sets with its checksum."""

from simtailor.reporting import reporter
from simtailor.simulation.reading import check_sets

with reporter(snakemake.log[0], "check_sets") as report:
    report(check_sets(snakemake.input.sets))
