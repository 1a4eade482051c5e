rule compile_renderer:
    """Compile the ray caster's kernels, once a device."""
    output:
        local(f"{RESOURCES}/renderer-{CONFIGURATION.device.replace(':', '-')}.txt"),
    log:
        "logs/compile_renderer.log",
    benchmark:
        "logs/benchmarks/compile_renderer.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("compile_renderer"),
        runtime=minutes("compile_renderer"),
        gpu=gpus("compile_renderer"),
    params:
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Compile the ray caster's kernels once for {params.device}"
    script:
        "../workflow_scripts/compile_renderer.py"
