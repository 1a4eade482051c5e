# What the rules of tasks share.
TASKS = CONFIGURATION.task2sim.tasks
TASK2VEC = CONFIGURATION.task2sim.task2vec


def task_of(wildcards):
    """Return the row of the task that a target's name asks for."""
    return find_task(TASKS, wildcards.task)


def packages_of_task(wildcards):
    """Return the folders of the fetched packages that a task is made from."""
    return package_folders(task_of(wildcards).packages)


def state_of_task(wildcards):
    """Return a digest of a folder's images: changed ones prepare the task again."""
    task = task_of(wildcards)
    try:
        return source_state(task, RESOURCES)
    except UserError as error:
        if not workflow.dryrun or source_exists(task, RESOURCES):
            raise
        # A study is planned before its images are there.
        CONSOLE.later(f"task '{wildcards.task}' cannot be prepared yet: {error}")
        return ""


def probe_inputs(wildcards):
    """Return packages and files that the probe network is read from, checked now."""
    packages, files = checked_probe(TASK2VEC)
    return [*package_folders(packages), *map(local, files)]


def in_study(pattern, place=str):
    """Return a function that gives a file of every task of the study; 'local' keeps it here."""
    return lambda wildcards: [
        place(pattern.format(task=task)) for task in study_tasks(TASKS)
    ]


wildcard_constraints:
    task=r"[A-Za-z0-9_\-]+",
