# The controller and its recommendations.
from simtailor.controller.inputs import known_files, reward_method

CONTROLLER = CONFIGURATION.task2sim.controller
KNOWN_REWARDS, KNOWN_VECTORS = known_files(CONFIGURATION)


localrules:
    controller,


rule controller:
    input:
        f"{RESULTS}/task2sim/controller",


rule train_controller:
    input:
        reward_db=KNOWN_REWARDS,
        task_vectors=KNOWN_VECTORS,
    output:
        report(
            directory(f"{RESULTS}/task2sim/controller"),
            patterns=[f"{FIGURE}.png"],
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
    threads: 8
    resources:
        mem_mb=8000,
        runtime=60,
        gpu=int(CONFIGURATION.device != "cpu"),
    params:
        settings=CONTROLLER.model_dump(mode="json"),
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        # Not an output: Snakemake deletes the outputs of a job that was killed.
        cache=f"{WORK}/task2sim/controller",
    message:
        "Train and compare the policies"
    script:
        "../workflow_scripts/train_controller.py"


rule recommend:
    input:
        reward_db=KNOWN_REWARDS,
        task_vectors=KNOWN_VECTORS,
        vector=f"{WORK}/task2sim/task_vectors/{{task}}.npz",
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
        mem_mb=2000,
        runtime=10,
        gpu=0,
    params:
        settings=CONTROLLER.model_dump(mode="json"),
        method=reward_method(CONFIGURATION),
        results=lambda wildcards: RESULTS,
    message:
        "Recommend simulation parameters for {wildcards.task}"
    script:
        "../workflow_scripts/recommend.py"


rule picture_recommendation:
    input:
        recommendation=rules.recommend.output[0],
        kernels=rules.compile_renderer.output,
        assets=f"{WORK}/task2sim/assets.safetensors",
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
        mem_mb=3000,
        runtime=30,
        gpu=int(CONFIGURATION.device != "cpu"),
    params:
        settings=CONFIGURATION.task2sim.simulation.model_dump(mode="json"),
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Show images made with the parameters recommended for {wildcards.task}"
    script:
        "../workflow_scripts/picture_recommendation.py"
