"""Write the page of all results."""

from simtailor.browse.page import write_page
from simtailor.reporting import reporter

with reporter(snakemake.log[0], "page") as report:
    report(f"wrote {write_page(snakemake.config['results'])}")
