# The controller and its recommendations.
include: "controller_common.smk"


wildcard_constraints:
    round="|".join(ROUNDS),


localrules:
    controller,


rule controller:
    """The controller: what to simulate for a task, learned from the reward database."""
    input:
        f"{RESULTS}/task2sim/controller",


rule train_controller:
    """A part of the target controller."""
    input:
        reward_db=KNOWN_REWARDS,
        task_vectors=KNOWN_VECTORS,
    output:
        report(
            directory(f"{RESULTS}/task2sim/controller"),
            patterns=[f"{FIGURE}.png", "{figure,tasks}.csv"],
            caption="../docs/captions/controller.rst",
            category="Task2Sim",
            subcategory="Controller",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/task2sim/controller.log",
    benchmark:
        "logs/benchmarks/task2sim/controller.tsv"
    conda:
        "../envs/simtailor.yaml"
    # Policies are trained side by side: of the cores of a run, as many as there are tasks.
    threads: min(workflow.resource_settings.cores or 8, 16)
    resources:
        mem_mb=memory("train_controller"),
        runtime=minutes("train_controller"),
        gpu=gpus("train_controller"),
    params:
        settings=CONTROLLER.model_dump(mode="json", exclude={"explore": {"sets"}}),
        seed=CONFIGURATION.seed,
        # Not an output: Snakemake deletes the outputs of a job that was killed.
        cache=f"{WORK}/task2sim/controller",
    message:
        "Train and compare the policies"
    script:
        "../workflow_scripts/train_controller.py"


# A checkpoint, for the classifier pre-trains on the set that it names.
checkpoint recommend:
    """results/task2sim/recommend/TASK.yaml: the parameters to simulate with for a task."""
    input:
        reward_db=learned_rewards,
        task_vectors=LEARNED.task_vectors,
        vector=local(f"{WORK}/task2sim/task_vectors/{{task}}.npz"),
    output:
        f"{RESULTS}/task2sim/recommend/{{task}}.yaml",
    log:
        "logs/task2sim/recommend/{task}.log",
    benchmark:
        "logs/benchmarks/task2sim/recommend/{task}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("recommend"),
        runtime=minutes("recommend"),
        gpu=gpus("recommend"),
    params:
        settings=CONTROLLER.model_dump(mode="json"),
        evidence=EXPLORED,
        screening=EXPLORED_FEW,
        folder=f"{EXPLORATIONS}/{{task}}",
        task_folder=f"{WORK}/task2sim/tasks/{{task}}",
        other_evidence=LEARNED.other_evidence,
        # Not inputs: those that are there count, and none is made for this.
        evidence_state=lambda wildcards: evidence_state(
            f"{EXPLORATIONS}/{wildcards.task}"
        ),
        results=lambda wildcards: RESULTS,
    message:
        "Recommend simulation parameters for {wildcards.task}"
    script:
        "../workflow_scripts/recommend.py"


rule picture_recommendation:
    """results/task2sim/recommend/TASK.png: images made as recommended."""
    input:
        recommendation=rules.recommend.output[0],
        kernels=SIMULATION_KERNELS,
        assets=SIMULATION_ASSETS,
    output:
        report(
            f"{RESULTS}/task2sim/recommend/{{task}}.png",
            caption="../docs/captions/recommend.rst",
            category="Task2Sim",
            subcategory="Recommendations",
            labels={"task": "{task}"},
        ),
    log:
        "logs/task2sim/recommend/{task}_picture.log",
    benchmark:
        "logs/benchmarks/task2sim/recommend/{task}_picture.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: RENDER_THREADS
    resources:
        mem_mb=memory("picture_recommendation"),
        runtime=minutes("picture_recommendation"),
        gpu=gpus("picture_recommendation"),
    params:
        settings=CONFIGURATION.task2sim.simulation.model_dump(mode="json"),
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Show images made with the parameters recommended for {wildcards.task}"
    script:
        "../workflow_scripts/picture_recommendation.py"


rule validation_task:
    """A part of the target explore."""
    input:
        local(rules.prepare_task.output.prepared),
    output:
        local(directory(f"{EXPLORATIONS}/{{task}}/validation_task")),
    log:
        "logs/task2sim/explore/{task}/validation_task.log",
    benchmark:
        "logs/benchmarks/task2sim/explore/{task}/validation_task.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("validation_task"),
        runtime=minutes("validation_task"),
        gpu=gpus("validation_task"),
    params:
        seed=CONFIGURATION.seed,
    message:
        "Cut a validation part from the training images of {wildcards.task}"
    script:
        "../workflow_scripts/validation_task.py"


rule evaluate_candidate:
    """A part of the target explore."""
    input:
        backbone=f"{RESULTS}/task2sim/backbones/{{backbone}}",
        task=local(rules.prepare_task.output.prepared),
        validation=local(rules.validation_task.output[0]),
    output:
        local(f"{WHOLE}/{{backbone}}.json"),
    log:
        "logs/task2sim/explore/{task}/{backbone}.log",
    benchmark:
        "logs/benchmarks/task2sim/explore/{task}/{backbone}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: EVALUATE.threads
    resources:
        mem_mb=memory("evaluate_candidate"),
        runtime=minutes("evaluate_candidate"),
        gpu=gpus("evaluate_candidate"),
    params:
        settings=settings_of_an_evaluation(EVALUATE),
        evidence=EXPLORED,
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        cache=f"{EXPLORATIONS}/{{task}}/cache/{{backbone}}",
    message:
        "Evaluate the backbone of {wildcards.backbone} on {wildcards.task}"
    script:
        "../workflow_scripts/evaluate_candidate.py"


# The same three steps for sets that are screened: made of few images, in folders of their own.
use rule simulate_set as simulate_screened_set with:
    input:
        kernels=SIMULATION_KERNELS,
        assets=SIMULATION_ASSETS,
    output:
        local(directory(f"{SCREENED_SETS}/sets/{{parameters}}")),
    log:
        "logs/task2sim/screened/{parameters}/set.log",
    benchmark:
        "logs/benchmarks/task2sim/screened/{parameters}/set.tsv"
    params:
        settings=screened_set,
        work=f"{SCREENED_SETS}/shards/{{parameters}}",
        version=lambda wildcards: version_of_sets(SIMULATION),
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Make the simulated set {wildcards.parameters} of few images"


use rule pretrain as pretrain_screened with:
    input:
        simulated=local(f"{SCREENED_SETS}/sets/{{backbone}}"),
    output:
        local(directory(f"{SCREENED_SETS}/backbones/{{backbone}}")),
    log:
        "logs/task2sim/screened/backbones/{backbone}.log",
    benchmark:
        "logs/benchmarks/task2sim/screened/backbones/{backbone}.tsv"
    params:
        settings=lambda wildcards: checked_settings(PRETRAIN, RESOURCES),
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        checkpoint=f"{SCREENED_SETS}/backbones/{{backbone}}.pt",
    message:
        "Pre-train a backbone on few images of {wildcards.backbone}"


use rule evaluate_candidate as evaluate_screened with:
    input:
        backbone=local(f"{SCREENED_SETS}/backbones/{{backbone}}"),
        task=local(rules.prepare_task.output.prepared),
        validation=local(rules.validation_task.output[0]),
    output:
        local(f"{FEW}/{{backbone}}.json"),
    log:
        "logs/task2sim/explore/{task}/screened/{backbone}.log",
    benchmark:
        "logs/benchmarks/task2sim/explore/{task}/screened/{backbone}.tsv"
    params:
        settings=settings_of_an_evaluation(EVALUATE),
        evidence=EXPLORED_FEW,
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        cache=f"{EXPLORATIONS}/{{task}}/cache/screened/{{backbone}}",
    message:
        "Evaluate the backbone of few images of {wildcards.backbone} on {wildcards.task}"


checkpoint propose_sets:
    """A part of the target explore."""
    input:
        reward_db=learned_rewards,
        task_vectors=LEARNED.task_vectors,
        vector=local(f"{WORK}/task2sim/task_vectors/{{task}}.npz"),
        earlier=lambda wildcards: rounds_before(wildcards, wildcards.round),
        evaluations=evaluated_before,
    output:
        local(f"{EXPLORATIONS}/{{task}}/round_{{round}}.json"),
    log:
        "logs/task2sim/explore/{task}/round_{round}.log",
    benchmark:
        "logs/benchmarks/task2sim/explore/{task}/round_{round}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("propose_sets"),
        runtime=minutes("propose_sets"),
        gpu=gpus("propose_sets"),
    params:
        settings=CONTROLLER.model_dump(mode="json", exclude={"explore"}),
        evidence=EXPLORED,
        screening=EXPLORED_FEW,
        folder=f"{EXPLORATIONS}/{{task}}",
        task_folder=f"{WORK}/task2sim/tasks/{{task}}",
        sets=lambda wildcards: ROUNDS[wildcards.round],
        screens=lambda wildcards: wildcards.round == SCREENING,
        results=lambda wildcards: RESULTS,
    message:
        "Choose the sets of round {wildcards.round} for {wildcards.task}"
    script:
        "../workflow_scripts/propose_sets.py"


rule explore:
    """results/task2sim/explore/TASK: a few sets tried on a task, and the one to use."""
    input:
        reward_db=learned_rewards,
        task_vectors=LEARNED.task_vectors,
        vector=local(f"{WORK}/task2sim/task_vectors/{{task}}.npz"),
        task=local(rules.prepare_task.output.prepared),
        rounds=rounds_before,
        evaluations=evaluated_at_last,
    output:
        report(
            directory(f"{RESULTS}/task2sim/explore/{{task}}"),
            patterns=[f"{FIGURE}.png"],
            caption="../docs/captions/explore.rst",
            category="Task2Sim",
            subcategory="Recommendations",
            labels={"task": "{task}", "figure": "{figure}"},
        ),
    log:
        "logs/task2sim/explore/{task}.log",
    benchmark:
        "logs/benchmarks/task2sim/explore/{task}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("explore"),
        runtime=minutes("explore"),
        gpu=gpus("explore"),
    params:
        settings=CONTROLLER.model_dump(mode="json"),
        evidence=EXPLORED,
        screening=EXPLORED_FEW,
        folder=f"{EXPLORATIONS}/{{task}}",
        results=lambda wildcards: RESULTS,
    message:
        "Say which set to use for {wildcards.task}"
    script:
        "../workflow_scripts/explore.py"
