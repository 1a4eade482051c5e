"""Copy a backbone out of the group in which it was trained."""

from simtailor.files import copy_folder
from simtailor.reporting import reporter

name = snakemake.wildcards.backbone
with reporter(snakemake.log[0], name) as report:
    copy_folder(f"{snakemake.input[0]}/{name}", snakemake.output[0])
    report(f"wrote {snakemake.output[0]}")
