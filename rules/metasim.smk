rule metasim_target:
    """A part of the target metasim_results."""
    input:
        unpack(sources_of_target),
    output:
        local(f"{WORK}/metasim/{{experiment}}/target.npz"),
    log:
        "logs/metasim/{experiment}/target.log",
    benchmark:
        "logs/benchmarks/metasim/{experiment}/target.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: RENDER_THREADS
    resources:
        mem_mb=memory("metasim_target"),
        runtime=minutes("metasim_target"),
        gpu=gpus("metasim_target"),
    params:
        settings=settings_for("target"),
        renderer_state=renderer_state_of,
        folder_state=folder_state_of,
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Make the target images of {wildcards.experiment}"
    script:
        "../workflow_scripts/metasim_target.py"


rule metasim_train:
    """A part of the target metasim_results."""
    input:
        unpack(grammars_of),
        unpack(weights_of),
        kernels=kernels_of,
        packages=packages_of,
        images=local(rules.metasim_target.output),
    output:
        progress=local(f"{WORK}/metasim/{{experiment}}/training/progress.csv"),
        history=local(f"{WORK}/metasim/{{experiment}}/training/history.safetensors"),
        notes=local(f"{WORK}/metasim/{{experiment}}/training/notes.json"),
    log:
        "logs/metasim/{experiment}/train.log",
    benchmark:
        "logs/benchmarks/metasim/{experiment}/train.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: RENDER_THREADS
    resources:
        mem_mb=memory("metasim_train"),
        runtime=minutes_of_training,
        gpu=gpus("metasim_train"),
    params:
        settings=settings_for("training"),
        renderer_state=renderer_state_of,
        # Not an output: Snakemake deletes the outputs of a job that was killed.
        checkpoint=f"{WORK}/metasim/{{experiment}}/checkpoint.pt",
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Train {wildcards.experiment}"
    script:
        "../workflow_scripts/metasim_train.py"


rule metasim_results:
    """results/metasim/EXPERIMENT: a fit: figures, images, generator and verdict."""
    input:
        unpack(grammars_of),
        unpack(weights_of),
        kernels=kernels_of,
        packages=packages_of,
        images=local(rules.metasim_target.output),
        progress=local(rules.metasim_train.output.progress),
        history=local(rules.metasim_train.output.history),
        notes=local(rules.metasim_train.output.notes),
    output:
        report(
            directory(f"{RESULTS}/metasim/{{experiment}}"),
            patterns=[
                f"{FIGURE}.png",
                f"progress/{FIGURE}.png",
                f"{FIGURE}.gif",
            ],
            caption="../docs/captions/metasim.rst",
            category="Meta-Sim",
            subcategory="{experiment}",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/metasim/{experiment}/results.log",
    benchmark:
        "logs/benchmarks/metasim/{experiment}/results.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: RENDER_THREADS
    resources:
        mem_mb=memory("metasim_results"),
        runtime=minutes("metasim_results"),
        gpu=gpus("metasim_results"),
    params:
        settings=settings_for("results"),
        renderer_state=renderer_state_of,
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Assemble results/metasim/{wildcards.experiment}"
    script:
        "../workflow_scripts/metasim_results.py"
