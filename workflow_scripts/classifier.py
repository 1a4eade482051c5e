"""Choose the classifier of a task, and compare it with simpler ways."""

from pathlib import Path

from simtailor.classifier.stage import write_classifier
from simtailor.finishing import finish
from simtailor.reporting import reporter
from simtailor.tasks.prepared import PreparedTask
from simtailor.yaml_files import read_yaml

files, params, task = snakemake.input, snakemake.params, snakemake.wildcards.task
with reporter(snakemake.log[0], task) as report:
    recommended = read_yaml(files.recommendation) if files.recommendation else {}
    summary = write_classifier(
        PreparedTask.read(files.task),
        {Path(folder).name: folder for folder in files.origins},
        {"set": params.given or recommended["set"], "why": recommended.get("why")},
        params.seed,
        snakemake.output[0],
    )
    for sentence in summary["sentences"]:
        report(sentence)
    finish(snakemake, report)
