"""Copy a backbone out of the group in which it was trained."""

from simtailor.files import copy_folder

copy_folder(f"{snakemake.input[0]}/{snakemake.wildcards.backbone}", snakemake.output[0])
