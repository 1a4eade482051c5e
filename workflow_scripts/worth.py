"""Compare the networks of an experiment on the test pictures."""

from pathlib import Path

from simtailor.finishing import finish
from simtailor.reporting import reporter
from simtailor.worth.inputs import Trial
from simtailor.worth.results import write_results

files, wildcards = snakemake.input, snakemake.wildcards
guesses = {}
for file in files.guesses:
    guesses.setdefault(Path(file).stem.split(".")[0], []).append(file)
with reporter(snakemake.log[0], f"{wildcards.kind} of {wildcards.experiment}") as report:
    write_results(
        wildcards.kind,
        wildcards.experiment,
        Trial.model_validate(snakemake.params.trial),
        guesses,
        {Path(file).stem: file for file in files.pictures},
        snakemake.output[0],
        report,
    )
    finish(snakemake, report)
