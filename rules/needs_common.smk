# What rules ask for, and where their benchmark files are: functions only, as Snakemake's linter
# wants.


def asked_by_rules(wildcards):
    """Return what the rules that leave benchmark files ask for in a first attempt."""
    return [
        {
            "name": rule.name,
            "files": rule.benchmark.regex().pattern,
            "memory_mb": NEEDS[rule.name].memory_mb,
            "minutes": NEEDS[rule.name].minutes(),
        }
        for rule in workflow.rules
        if rule.benchmark and rule.name in NEEDS
    ]
