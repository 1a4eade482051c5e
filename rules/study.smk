# What the rules of the reward database ask for: functions only, as Snakemake's linter wants it.
from functools import cache


@cache
def names_of_tasks():
    """Return the names of the study's tasks, read and checked once."""
    check_task_names(EVALUATE, task_names(TASKS))
    return study_tasks(TASKS)


def listed_tasks(wildcards):
    """Return the list of the study's prepared tasks, whose names are checked now."""
    names_of_tasks()
    return local(rules.list_tasks.output[0])


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
