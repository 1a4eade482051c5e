# Data sets drawn from fits, and their exports.
rule dataset:
    """results/datasets/EXPERIMENT: a labelled data set drawn from a fit."""
    input:
        kernels=kernels_of,
        packages=package_folders_of_renderer,
        fit=rules.metasim_results.output[0],
    output:
        report(
            directory(f"{RESULTS}/datasets/{{experiment}}"),
            patterns=[f"{FIGURE}.png"],
            caption="../docs/captions/dataset.rst",
            category="Data sets",
            subcategory="{experiment}",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/datasets/{experiment}/dataset.log",
    benchmark:
        "logs/benchmarks/datasets/{experiment}/dataset.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: RENDER_THREADS
    resources:
        mem_mb=memory("dataset"),
        runtime=minutes("dataset"),
        gpu=gpus("dataset"),
    params:
        settings=settings_of_dataset_of,
        # Not an output: Snakemake deletes the outputs of a job that was killed.
        work=f"{WORK}/datasets/{{experiment}}",
        version=DATASETS_VERSION,
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Draw the data set of {wildcards.experiment} from its fit"
    script:
        "../workflow_scripts/dataset.py"


rule export_dataset:
    """results/exports/FORMAT/EXPERIMENT: a data set of a fit as coco, yolo or bop."""
    input:
        made=exportable,
    output:
        directory(f"{RESULTS}/exports/{{format}}/{{experiment}}"),
    log:
        "logs/exports/{format}/{experiment}.log",
    benchmark:
        "logs/benchmarks/exports/{format}/{experiment}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("export_dataset"),
        runtime=minutes("export_dataset"),
        gpu=gpus("export_dataset"),
        turn=1,
    message:
        "Export the data set of {wildcards.experiment} to the format '{wildcards.format}'"
    script:
        "../workflow_scripts/export_dataset.py"
