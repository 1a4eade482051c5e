rule dag:
    """Pictures of the graphs of jobs and of rules."""
    input:
        f"{RESULTS}/dag/jobs.svg",
        f"{RESULTS}/dag/rules.svg",
        f"{RESULTS}/dag/rules.mmd",


rule draw_dag:
    """A part of the target dag."""
    input:
        local(workflow.main_snakefile),
        [
            local(str(path))
            for path in sorted(Path(workflow.basedir).glob("rules/*.smk"))
        ],
    output:
        jobs=f"{RESULTS}/dag/jobs.svg",
        rules=f"{RESULTS}/dag/rules.svg",
        mermaid=f"{RESULTS}/dag/rules.mmd",
    log:
        "logs/dag.log",
    benchmark:
        "logs/benchmarks/dag.tsv"
    conda:
        "../envs/simtailor.yaml"
    resources:
        mem_mb=memory("draw_dag"),
        runtime=minutes("draw_dag"),
        gpu=gpus("draw_dag"),
    params:
        snakefile=lambda wildcards, input: input[0],
        config={
            key: config[key]
            for key in config
            if key in type(CONFIGURATION).model_fields and key != "tracking"
        },
        targets=CONFIGURATION.dag_targets,
    message:
        "Draw the job graph and the rule graph"
    script:
        "../workflow_scripts/draw_dag.py"
