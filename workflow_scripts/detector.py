"""Compare the detectors of an experiment on the test pictures."""

from pathlib import Path

from simtailor.detector.results import write_results
from simtailor.detector.settings import LabelledTiles
from simtailor.finishing import finish
from simtailor.reporting import reporter

files, params, name = snakemake.input, snakemake.params, snakemake.wildcards.experiment
folders = {}
for folder in files.detectors:
    folders.setdefault(Path(folder).stem, []).append(folder)
drawn = {Path(file).stem: file for file in files.drawn}
with reporter(snakemake.log[0], f"detectors of {name}") as report:
    write_results(
        name,
        LabelledTiles.model_validate(params.tiles),
        params.classes,
        folders,
        drawn,
        params.resources,
        snakemake.output[0],
        report,
    )
    finish(snakemake, report)
