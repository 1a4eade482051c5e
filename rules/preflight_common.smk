# How the jobs of this run would run, as plain values: functions only, as Snakemake's linter wants.


def number_of(resource):
    """Return a resource's number in a job's first attempt, None where wildcards decide."""
    if not resource.is_evaluable():
        return resource.value
    try:
        return resource.evaluate(None, attempt=1).value
    except AttributeError:  # there are no wildcards
        return None


def gpus_of(given):
    """Return how many GPUs of a machine resources ask for, by number or by kind and number."""
    by_kind = str(given.get("gres").raw or "")
    return int(by_kind.rpartition(":")[2]) if by_kind else number_of(given.get("gpu"))


def asked_by(rule):
    """Return what a rule asks for."""
    given = rule.resources
    return {
        "name": rule.name,
        "cores": number_of(given.get("_cores")),
        "memory_mb": number_of(given.get("mem_mb")),
        "gpus": gpus_of(given),
        # Of the command line it is an expression, which stands for itself.
        "partition": given.get("slurm_partition").raw or "",
    }


def asked_of_run(wildcards):
    """Return the configuration, and what its jobs need of what this run gives them."""
    executor = workflow.executor_plugin
    elsewhere = executor.common_settings.non_local_exec
    return {
        "configuration": CONFIGURATION.model_dump(mode="json"),
        "files": [str(path) for path in CONFIG_FILES],
        "sets": SETS,
        "tasks": names_of_tasks(),
        "packages": packages_of_study(wildcards),
        "executor": executor.name if elsewhere else "local",
        "partition_file": str(
            getattr(workflow.executor_settings, "partition_config", None) or ""
        ),
        "cores": workflow.resource_settings.cores,
        "rules": [
            asked_by(rule)
            for rule in workflow.rules
            if not (elsewhere and workflow.is_local(rule))
        ],
    }
