# Real tasks and their vectors.
include: "tasks_common.smk"


# A moment, which no job of a cluster is worth.
localrules:
    list_tasks,


rule tasks:
    """Every real task of the study, checked, split and shown."""
    input:
        in_study(f"{RESULTS}/task2sim/tasks/{{task}}"),


rule prepare_task:
    """results/task2sim/tasks/TASK: a real task, checked, split and shown."""
    input:
        packages=packages_of_task,
    output:
        prepared=local(directory(f"{WORK}/task2sim/tasks/{{task}}")),
        shown=directory(f"{RESULTS}/task2sim/tasks/{{task}}"),
    log:
        "logs/task2sim/tasks/{task}.log",
    benchmark:
        "logs/benchmarks/task2sim/tasks/{task}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: lambda wildcards: reading_threads(task_of(wildcards))
    resources:
        mem_mb=memory("prepare_task"),
        runtime=minutes("prepare_task"),
        gpu=gpus("prepare_task"),
        turn=1,
    params:
        row=lambda wildcards: task_of(wildcards).model_dump(mode="json"),
        size=TASKS.model_dump(
            include={"image_size", "most_images", "test_share", "most_pixels"}
        ),
        source_state=state_of_task,
        seed=CONFIGURATION.seed,
        cache=lambda wildcards: RESOURCES,
    message:
        "Prepare the task {wildcards.task}"
    script:
        "../workflow_scripts/prepare_task.py"


rule list_tasks:
    """A part of the target reward_db."""
    input:
        tasks=in_study(f"{WORK}/task2sim/tasks/{{task}}", local),
    output:
        local(f"{WORK}/task2sim/tasks.json"),
    log:
        "logs/task2sim/list_tasks.log",
    conda:
        "../envs/simtailor.yaml"
    resources:
        mem_mb=memory("list_tasks"),
        runtime=minutes("list_tasks"),
        gpu=gpus("list_tasks"),
    message:
        "List the prepared tasks of the study"
    script:
        "../workflow_scripts/list_tasks.py"


rule task_vector:
    """A part of the target task_vectors."""
    input:
        task=local(rules.prepare_task.output.prepared),
        probe=probe_inputs,
    output:
        vector=local(f"{WORK}/task2sim/task_vectors/{{task}}.npz"),
        facts=local(f"{WORK}/task2sim/task_vectors/{{task}}.json"),
    log:
        "logs/task2sim/task_vectors/{task}.log",
    benchmark:
        "logs/benchmarks/task2sim/task_vectors/{task}.tsv"
    conda:
        "../envs/simtailor.yaml"
    resources:
        mem_mb=memory("task_vector"),
        runtime=minutes("task_vector"),
        gpu=gpus("task_vector"),
        turn=1,
    params:
        settings=TASK2VEC.model_dump(mode="json"),
        device=CONFIGURATION.device,
        seed=CONFIGURATION.seed,
        cache=lambda wildcards: RESOURCES,
    message:
        "Task2Vec of {wildcards.task}"
    script:
        "../workflow_scripts/task_vector.py"


rule task_vectors:
    """The Task2Vec vectors of the tasks, and their distances."""
    input:
        vectors=in_study(f"{WORK}/task2sim/task_vectors/{{task}}.npz", local),
        facts=in_study(f"{WORK}/task2sim/task_vectors/{{task}}.json", local),
    output:
        vectors=f"{RESULTS}/task2sim/task_vectors.npz",
        shown=report(
            directory(f"{RESULTS}/task2sim/task_vectors"),
            patterns=[f"{FIGURE}.png"],
            caption="../docs/captions/task_vectors.rst",
            category="Task2Sim",
            subcategory="Task2Vec",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/task2sim/task_vectors.log",
    benchmark:
        "logs/benchmarks/task2sim/task_vectors.tsv"
    conda:
        "../envs/simtailor.yaml"
    resources:
        mem_mb=memory("task_vectors"),
        runtime=minutes("task_vectors"),
        gpu=gpus("task_vectors"),
    message:
        "Assemble the task vectors and their distances"
    script:
        "../workflow_scripts/task_vectors.py"
