# The page of all results. Jobs that end a result write it, too.
localrules:
    page,


rule page:
    """results/index.html: a page of all results that are there."""
    output:
        f"{RESULTS}/{PAGE}",
    log:
        "logs/page.log",
    benchmark:
        "logs/benchmarks/page.tsv"
    conda:
        "../envs/simtailor.yaml"
    resources:
        mem_mb=memory("page"),
        runtime=minutes("page"),
        gpu=gpus("page"),
    message:
        "Write the page of all results"
    script:
        "../workflow_scripts/page.py"
