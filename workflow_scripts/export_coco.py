"""Export a simulated set to COCO's format."""

from simtailor.datasets.coco import export_coco
from simtailor.reporting import reporter
from simtailor.simulation.reading import SimulatedSet

with reporter(snakemake.log[0], f"coco {snakemake.wildcards.parameters}") as report:
    made = SimulatedSet(snakemake.input.made)
    export_coco(made, snakemake.output[0])
    report(f"{len(made)} images")
