# Detectors trained on pictures of a fit, and tried on labelled photographs.
include: "detector_common.smk"


rule detector_pictures:
    """A part of the target detector."""
    input:
        kernels=kernels_of,
        packages=package_folders_of_renderer,
        fit=rules.metasim_results.output[0],
    output:
        local(f"{WORK}/detector/{{experiment}}/{{drawn}}.npz"),
    log:
        "logs/detector/{experiment}/{drawn}.log",
    benchmark:
        "logs/benchmarks/detector/{experiment}/{drawn}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: RENDER_THREADS
    resources:
        mem_mb=memory("detector_pictures"),
        runtime=minutes("detector_pictures"),
        gpu=gpus("detector_pictures"),
    params:
        tiles=plain_tiles_of,
        images=DETECTOR.images,
        widen=CONFIGURATION.datasets.widen,
        version=DETECTOR_VERSION,
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Draw pictures of {wildcards.experiment} for detectors: {wildcards.drawn}"
    script:
        "../workflow_scripts/detector_pictures.py"


rule train_detector:
    """A part of the target detector."""
    input:
        drawn=drawn_of_source,
        weights=local(f"{RESOURCES}/packages/efficientnet_lite0"),
        tiles=package_of_tiles,
    output:
        local(directory(f"{WORK}/detector/{{experiment}}/{{source}}.{{number}}")),
    log:
        "logs/detector/{experiment}/{source}.{number}.log",
    benchmark:
        "logs/benchmarks/detector/{experiment}/{source}.{number}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("train_detector"),
        runtime=minutes("train_detector"),
        gpu=gpus("train_detector"),
    params:
        tiles=plain_tiles_of,
        classes=classes_of_experiment,
        labels=labels_state_of,
        training=DETECTOR.training.model_dump(mode="json"),
        images=DETECTOR.images,
        version=DETECTOR_VERSION,
        device=CONFIGURATION.device,
        resources=lambda wildcards: RESOURCES,
    message:
        "Train detector {wildcards.number} of {wildcards.experiment} on: {wildcards.source}"
    script:
        "../workflow_scripts/train_detector.py"


rule detector:
    """results/detector/EXPERIMENT: detectors trained on a fit, tried on labelled photographs."""
    input:
        detectors=detectors_of_sources,
        drawn=drawn_of_sources,
        tiles=package_of_tiles,
    output:
        report(
            directory(f"{RESULTS}/detector/{{experiment}}"),
            patterns=[f"{FIGURE}.png"],
            caption="../docs/captions/detector.rst",
            category="Detectors",
            subcategory="{experiment}",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/detector/{experiment}/results.log",
    benchmark:
        "logs/benchmarks/detector/{experiment}/results.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("detector"),
        runtime=minutes("detector"),
        gpu=gpus("detector"),
    params:
        tiles=plain_tiles_of,
        classes=classes_of_experiment,
        labels=labels_state_of,
        version=DETECTOR_VERSION,
        resources=lambda wildcards: RESOURCES,
    message:
        "Compare the detectors of {wildcards.experiment}"
    script:
        "../workflow_scripts/detector.py"
