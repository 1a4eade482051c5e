"""List the prepared tasks of the study."""

from simtailor.reporting import reporter
from simtailor.tasks.listing import write_task_list

with reporter(snakemake.log[0], "list_tasks") as report:
    write_task_list(snakemake.input.tasks, snakemake.output[0])
    report(f"{len(snakemake.input.tasks)} tasks")
