# Accuracy of every backbone on every task, and the reward database.
from simtailor.evaluate.inputs import (
    present_evaluations,
    repeated_sets,
    settings_of_an_evaluation,
)

EVALUATE = CONFIGURATION.task2sim.evaluate
REPEATS = repeated_sets(
    SETS,
    EVALUATE.repeats.sets,
    EVALUATE.repeats.seeds,
    PRETRAIN.at_once,
    CONFIGURATION.seed,
)
EVALUATIONS = f"{RESULTS}/task2sim/evaluations"


localrules:
    plan,


rule evaluate_set:
    input:
        backbone=f"{RESULTS}/task2sim/backbones/{{backbone}}",
        tasks=prepared_tasks,
    output:
        f"{EVALUATIONS}/{{backbone}}.json",
    log:
        "logs/task2sim/evaluations/{backbone}.log",
    benchmark:
        "logs/benchmarks/task2sim/evaluations/{backbone}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: EVALUATE.threads
    resources:
        mem_mb=TASKS.memory_mb(),
        runtime=240,
        gpu=int(CONFIGURATION.device != "cpu"),
    params:
        settings=settings_of_an_evaluation(EVALUATE),
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        # Not an output: Snakemake deletes the outputs of a job that was killed.
        cache=f"{WORK}/task2sim/evaluations/{{backbone}}",
    message:
        "Evaluate the backbone of {wildcards.backbone} on all tasks"
    script:
        "../workflow_scripts/evaluate_set.py"


rule evaluate_baselines:
    input:
        tasks=prepared_tasks,
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
        mem_mb=TASKS.memory_mb(),
        runtime=240,
        gpu=int(CONFIGURATION.device != "cpu"),
    params:
        settings=settings_of_an_evaluation(EVALUATE),
        seeds=1 + EVALUATE.repeats.seeds,
        pretrain=CONFIGURATION.task2sim.pretrain.model_dump(
            mode="json", include={"model", "model_options", "image_size"}
        ),
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        cache=f"{WORK}/task2sim/evaluations/baselines",
    message:
        "Evaluate chance, raw pixels and backbones with random weights on all tasks"
    script:
        "../workflow_scripts/evaluate_baselines.py"


rule reward_db:
    input:
        evaluations=expand(f"{EVALUATIONS}/{{backbone}}.json", backbone=SETS + REPEATS),
        baselines=rules.evaluate_baselines.output[0],
    output:
        database=f"{RESULTS}/task2sim/reward_db.json",
        folder=report(
            directory(f"{RESULTS}/task2sim/reward_db"),
            patterns=[f"{FIGURE}.png"],
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
        mem_mb=2000,
        runtime=30,
        gpu=0,
    params:
        sets=SETS,
        tasks=lambda wildcards: names_of_tasks(),
        method=EVALUATE.reward,
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
    input:
        rates="config/rates.tsv",
    log:
        "logs/task2sim/plan.log",
    conda:
        "../envs/simtailor.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        configuration=CONFIGURATION.model_dump(mode="json"),
        sets=SETS,
        tasks=lambda wildcards: len(names_of_tasks()),
        packages=lambda wildcards: len(packages_of_study(wildcards)),
        cores=workflow.resource_settings.cores,
    message:
        "What the reward database takes"
    script:
        "../workflow_scripts/plan.py"
