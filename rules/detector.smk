# Detectors trained on pictures of a fit, and tried on labelled photographs.
include: "detector_common.smk"


rule detector_pictures:
    """A part of the target detector."""
    input:
        kernels=kernels_of,
        packages=package_folders_of_renderer,
        fit=rules.metasim_results.output[0],
    output:
        f"{WORK}/detector/{{experiment}}/{{drawn}}.npz",
    log:
        "logs/detector/{experiment}/{drawn}.log",
    benchmark:
        "logs/benchmarks/detector/{experiment}/{drawn}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: RENDER_THREADS
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
        gpu=int(CONFIGURATION.device != "cpu"),
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
        weights=f"{RESOURCES}/packages/efficientnet_lite0",
        tiles=package_of_tiles,
    output:
        directory(f"{WORK}/detector/{{experiment}}/{{source}}.{{number}}"),
    log:
        "logs/detector/{experiment}/{source}.{number}.log",
    benchmark:
        "logs/benchmarks/detector/{experiment}/{source}.{number}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
        gpu=int(CONFIGURATION.device != "cpu"),
    params:
        tiles=plain_tiles_of,
        classes=classes_of_experiment,
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
        mem_mb=growing(2000),
        runtime=growing(30),
        gpu=0,
    params:
        tiles=plain_tiles_of,
        classes=classes_of_experiment,
        version=DETECTOR_VERSION,
        resources=lambda wildcards: RESOURCES,
    message:
        "Compare the detectors of {wildcards.experiment}"
    script:
        "../workflow_scripts/detector.py"
