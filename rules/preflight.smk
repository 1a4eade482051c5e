# What the configuration lacks here, before anything is computed.
include: "preflight_common.smk"


localrules:
    check,


rule check:
    log:
        "logs/check.log",
    retries: 0  # what is missing stays so
    conda:
        "../envs/simtailor.yaml"
    resources:
        mem_mb=memory("check"),
        runtime=minutes("check"),
        gpu=gpus("check"),
    params:
        asked=asked_of_run,
    message:
        "What the configuration lacks here"
    script:
        "../workflow_scripts/check.py"
