"""Assemble the task vectors of the study, and show their distances."""

from pathlib import Path

from simtailor.files import read_json
from simtailor.finishing import finish
from simtailor.reporting import reporter
from simtailor.task2vec.results import write_study

with reporter(snakemake.log[0], "task_vectors") as report:
    vectors = {Path(path).stem: path for path in snakemake.input.vectors}
    facts = {Path(path).stem: read_json(path) for path in snakemake.input.facts}
    write_study(vectors, facts, snakemake.output.vectors, snakemake.output.shown)
    report(f"wrote {snakemake.output.shown}")
    finish(snakemake, report)
