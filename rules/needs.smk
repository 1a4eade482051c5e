# What jobs took, beside what their rules ask for.
include: "needs_common.smk"


localrules:
    needs,


rule needs:
    """Print what the jobs so far took beside what their rules ask for, and what to ask for."""
    log:
        "logs/needs.log",
    conda:
        "../envs/simtailor.yaml"
    resources:
        mem_mb=memory("needs"),
        runtime=minutes("needs"),
        gpu=gpus("needs"),
    params:
        rules=asked_by_rules,
    message:
        "What the jobs so far took, beside what they asked for"
    script:
        "../workflow_scripts/needs.py"
