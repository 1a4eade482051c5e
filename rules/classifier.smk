# A classifier of a task, and what simpler ways give beside it.
include: "classifier_common.smk"


rule classifier_origin:
    """A part of the target classifier."""
    input:
        task=local(rules.prepare_task.output.prepared),
        network=network_of_origin,
    output:
        local(directory(f"{ATTEMPTS}/{{task}}/{{origin}}")),
    log:
        "logs/task2sim/classifiers/{task}/{origin}.log",
    benchmark:
        "logs/benchmarks/task2sim/classifiers/{task}/{origin}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: EVALUATE.threads
    resources:
        mem_mb=memory("classifier_origin"),
        runtime=minutes("classifier_origin"),
        gpu=lambda wildcards: gpus("classifier_origin")
        * (wildcards.origin != RAW_PIXELS),
    params:
        settings=settings_of_a_classifier(CONFIGURATION),
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        resources=lambda wildcards: RESOURCES,
    message:
        "Try to classify {wildcards.task} from {wildcards.origin}"
    script:
        "../workflow_scripts/classifier_origin.py"


rule classifier:
    """results/task2sim/classifier/TASK: a classifier that timm loads, beside simpler ways."""
    input:
        task=local(rules.prepare_task.output.prepared),
        origins=[local(f"{ATTEMPTS}/{{task}}/{origin}") for origin in ORIGINS],
        recommendation=recommendation_for_classifier,
    output:
        report(
            directory(f"{RESULTS}/task2sim/classifier/{{task}}"),
            patterns=[f"{FIGURE}.png"],
            caption="../docs/captions/classifier.rst",
            category="Task2Sim",
            subcategory="Classifiers",
            labels={"task": "{task}", "figure": "{figure}"},
        ),
    log:
        "logs/task2sim/classifiers/{task}.log",
    benchmark:
        "logs/benchmarks/task2sim/classifiers/{task}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("classifier"),
        runtime=minutes("classifier"),
        gpu=gpus("classifier"),
    params:
        settings=settings_of_a_classifier(CONFIGURATION),
        seed=CONFIGURATION.seed,
        given=CLASSIFIER.set,
    message:
        "Choose the classifier of {wildcards.task}, and compare it"
    script:
        "../workflow_scripts/classifier.py"
