# What a fit is worth to a task: networks trained on pictures of each source.
include: "worth_common.smk"


rule worth_pictures:
    """A part of the target worth."""
    input:
        kernels=kernels_of,
        packages=package_folders_of_renderer,
        fit=rules.metasim_results.output[0],
    output:
        local(f"{WORK}/worth/{{kind}}/{{experiment}}/{{examples}}.npz"),
    log:
        "logs/worth/{kind}/{experiment}/{examples}.log",
    benchmark:
        "logs/benchmarks/worth/{kind}/{experiment}/{examples}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: RENDER_THREADS
    resources:
        mem_mb=memory("worth_pictures"),
        runtime=minutes("worth_pictures"),
        gpu=gpus("worth_pictures"),
    params:
        trial=trial_of_pictures,
        images=WORTH.images,
        test_images=WORTH.test_images,
        image_size=WORTH.training.image_size,
        widen=CONFIGURATION.datasets.widen,
        version=WORTH_VERSION,
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Make pictures of {wildcards.experiment} for a {wildcards.kind}: {wildcards.examples}"
    script:
        "../workflow_scripts/worth_pictures.py"


rule train_worth:
    """A part of the target worth."""
    input:
        pictures=local(f"{WORK}/worth/{{kind}}/{{experiment}}/{{source_of_worth}}.npz"),
        test=local(f"{WORK}/worth/{{kind}}/{{experiment}}/{TEST}.npz"),
        weights=local(f"{RESOURCES}/packages/efficientnet_lite0"),
    output:
        local(
            f"{WORK}/worth/{{kind}}/{{experiment}}/{{source_of_worth}}.{{number}}.npz"
        ),
    log:
        "logs/worth/{kind}/{experiment}/{source_of_worth}.{number}.log",
    benchmark:
        "logs/benchmarks/worth/{kind}/{experiment}/{source_of_worth}.{number}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("train_worth"),
        runtime=minutes("train_worth"),
        gpu=gpus("train_worth"),
    params:
        training=WORTH.training.model_dump(mode="json"),
        version=WORTH_VERSION,
        device=CONFIGURATION.device,
        resources=lambda wildcards: RESOURCES,
    message:
        "Train network {wildcards.number} of {wildcards.experiment} on: {wildcards.source_of_worth}"
    script:
        "../workflow_scripts/train_worth.py"


rule worth:
    """results/KIND/EXPERIMENT: what a fit is worth to a regression or segmentation."""
    input:
        guesses=guesses_of_sources,
        pictures=examples_of_sources,
    output:
        report(
            directory(f"{RESULTS}/{{kind}}/{{experiment}}"),
            patterns=[f"{FIGURE}.png"],
            caption="../docs/captions/worth.rst",
            category="Worth of a fit",
            subcategory="{experiment}",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/worth/{kind}/{experiment}/results.log",
    benchmark:
        "logs/benchmarks/worth/{kind}/{experiment}/results.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("worth"),
        runtime=minutes("worth"),
        gpu=gpus("worth"),
    params:
        trial=plain_trial_of,
        version=WORTH_VERSION,
    message:
        "Compare the networks of {wildcards.experiment}: {wildcards.kind}"
    script:
        "../workflow_scripts/worth.py"
