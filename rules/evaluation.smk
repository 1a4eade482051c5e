# Accuracy of every backbone on every task, and the reward database.
from simtailor.evaluate.inputs import (
    check_task_names,
    evaluation_settings,
    evidence_digest,
    pairs_at_equal_steps,
    present_evaluations,
    repeated_sets,
    reported_methods,
    settings_of_an_evaluation,
    settings_of_equal_steps,
)

EVALUATE = evaluation_settings(CONFIGURATION)
REPEATS = repeated_sets(
    SETS,
    EVALUATE.repeats.sets,
    EVALUATE.repeats.seeds,
    max(CONFIGURATION.seed, SIMULATION.seed),
)
PAIRS = pairs_at_equal_steps(SETS, EVALUATE)
EVIDENCE = evidence_digest(CONFIGURATION)
NETWORK = CONFIGURATION.task2sim.pretrain.model_dump(
    mode="json", include={"model", "model_options", "image_size"}
)
EVALUATIONS = f"{RESULTS}/task2sim/evaluations"


wildcard_constraints:
    start=rf"{BACKBONE_PATTERN}|scratch\d+",


localrules:
    plan,


rule evaluate_set:
    """results/task2sim/evaluations/SET.json: accuracy of a backbone on all tasks."""
    input:
        backbone=f"{RESULTS}/task2sim/backbones/{{backbone}}",
        tasks=listed_tasks,
    output:
        f"{EVALUATIONS}/{{backbone,{BACKBONE_PATTERN}}}.json",
    log:
        "logs/task2sim/evaluations/{backbone}.log",
    benchmark:
        "logs/benchmarks/task2sim/evaluations/{backbone}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: EVALUATE.threads
    resources:
        mem_mb=memory("evaluate_set"),
        runtime=minutes("evaluate_set"),
        gpu=gpus("evaluate_set"),
    params:
        settings=settings_of_an_evaluation(EVALUATE),
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        evidence=EVIDENCE,
        # Not an output: Snakemake deletes the outputs of a job that was killed.
        cache=f"{WORK}/task2sim/evaluations/{{backbone}}",
    message:
        "Evaluate the backbone of {wildcards.backbone} on all tasks"
    script:
        "../workflow_scripts/evaluate_set.py"


rule evaluate_baselines:
    """A part of the target reward_db."""
    input:
        tasks=listed_tasks,
        network=local(f"{RESOURCES}/packages/efficientnet_lite0"),
    output:
        f"{EVALUATIONS}/baselines.json",
    log:
        "logs/task2sim/evaluations/baselines.log",
    benchmark:
        "logs/benchmarks/task2sim/evaluations/baselines.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: EVALUATE.threads
    resources:
        mem_mb=memory("evaluate_baselines"),
        runtime=minutes("evaluate_baselines"),
        gpu=gpus("evaluate_baselines"),
    params:
        settings=settings_of_an_evaluation(EVALUATE),
        pretrain=NETWORK,
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        resources=lambda wildcards: RESOURCES,
        cache=f"{WORK}/task2sim/evaluations/baselines",
    message:
        "Evaluate raw pixels, random weights and the ImageNet network on all tasks"
    script:
        "../workflow_scripts/evaluate_baselines.py"


rule equal_steps:
    """A part of the target reward_db."""
    input:
        tasks=listed_tasks,
        backbone=lambda wildcards: (
            []
            if wildcards.start.startswith("scratch")
            else f"{BACKBONES}/{wildcards.start}"
        ),
    output:
        f"{EVALUATIONS}/equal_steps/{{start}}.json",
    log:
        "logs/task2sim/equal_steps/{start}.log",
    benchmark:
        "logs/benchmarks/task2sim/equal_steps/{start}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: EVALUATE.threads
    resources:
        mem_mb=memory("equal_steps"),
        runtime=minutes("equal_steps"),
        gpu=gpus("equal_steps"),
        turn=1,
    params:
        settings=settings_of_equal_steps(EVALUATE),
        pretrain=NETWORK,
        pair=lambda wildcards: PAIRS[wildcards.start],
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        cache=f"{WORK}/task2sim/evaluations/equal_steps/{{start}}",
    message:
        "Train {wildcards.start} for few steps on all tasks"
    script:
        "../workflow_scripts/equal_steps.py"


rule reward_db:
    """The accuracy of every set on every task, with figures and tables."""
    input:
        evaluations=expand(f"{EVALUATIONS}/{{backbone}}.json", backbone=SETS + REPEATS),
        baselines=rules.evaluate_baselines.output[0],
        equal_steps=expand(f"{EVALUATIONS}/equal_steps/{{start}}.json", start=PAIRS),
    output:
        database=f"{RESULTS}/task2sim/reward_db.json",
        folder=report(
            directory(f"{RESULTS}/task2sim/reward_db"),
            patterns=[f"{FIGURE}.png", "{figure,best_sets|effects}.csv"],
            caption="../docs/captions/reward_db.rst",
            category="Task2Sim",
            subcategory="reward database",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/task2sim/reward_db.log",
    benchmark:
        "logs/benchmarks/task2sim/reward_db.tsv"
    conda:
        "../envs/simtailor.yaml"
    resources:
        mem_mb=memory("reward_db"),
        runtime=minutes("reward_db"),
        gpu=gpus("reward_db"),
    params:
        sets=SETS,
        tasks=lambda wildcards: names_of_tasks(),
        methods=reported_methods(EVALUATE),
        evidence=EVIDENCE,
    message:
        "Assemble the reward database"
    script:
        "../workflow_scripts/reward_db.py"


# What is there so far, while sets are still missing; makes none.
use rule reward_db as reward_db_so_far with:
    input:
        evaluations=present_evaluations(EVALUATIONS, SETS + REPEATS),
        baselines=[
            path for path in rules.evaluate_baselines.output if Path(path).exists()
        ],
        equal_steps=present_evaluations(f"{EVALUATIONS}/equal_steps", PAIRS),
    output:
        database=f"{RESULTS}/task2sim/reward_db_so_far.json",
        folder=directory(f"{RESULTS}/task2sim/reward_db_so_far"),
    log:
        "logs/task2sim/reward_db_so_far.log",
    benchmark:
        "logs/benchmarks/task2sim/reward_db_so_far.tsv"
    message:
        "Assemble the reward database of the sets that are evaluated so far"


rule plan:
    """Print jobs, storage and hours of this configuration, and make nothing."""
    input:
        rates=local(found_path("config/rates.tsv")),
    log:
        "logs/task2sim/plan.log",
    conda:
        "../envs/simtailor.yaml"
    resources:
        mem_mb=memory("plan"),
        runtime=minutes("plan"),
        gpu=gpus("plan"),
    params:
        configuration=CONFIGURATION.model_dump(mode="json"),
        files=[str(path) for path in CONFIG_FILES],
        sets=SETS,
        tasks=lambda wildcards: len(names_of_tasks()),
        packages=lambda wildcards: len(packages_of_study(wildcards)),
        cores=workflow.resource_settings.cores,
    message:
        "What the reward database and the trainings of Meta-Sim take"
    script:
        "../workflow_scripts/plan.py"
