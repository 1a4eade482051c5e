# What the rules of the reward database ask for: functions only, as Snakemake's linter wants it.
from functools import cache


@cache
def names_of_tasks():
    """Return the names of the study's tasks, read and checked once."""
    check_task_names(EVALUATE, task_names(TASKS))
    return study_tasks(TASKS)


def prepared_tasks(wildcards):
    """Return the folders of the study's tasks."""
    return [local(f"{WORK}/task2sim/tasks/{task}") for task in names_of_tasks()]


def packages_of_study(wildcards):
    """Return the names of all packages that the study's sets, tasks and baselines come from."""
    rows = [find_task(TASKS, task) for task in names_of_tasks()]
    return sorted(
        {
            *SIMULATION_PACKAGES,
            "efficientnet_lite0",
            *(name for row in rows for name in row.packages),
        }
    )
