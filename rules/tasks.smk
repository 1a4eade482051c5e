# Real tasks and their vectors.
TASKS = CONFIGURATION.task2sim.tasks
TASK2VEC = CONFIGURATION.task2sim.task2vec


def task_of(wildcards):
    """Return the row of the task that a target's name asks for."""
    return or_workflow_error(find_task, TASKS, wildcards.task)


def packages_of_task(wildcards):
    """Return the folders of the fetched packages that a task is made from."""
    return [f"{RESOURCES}/packages/{name}" for name in task_of(wildcards).packages]


def state_of_task(wildcards):
    """Return a digest of a folder's images: changed ones prepare the task again."""
    try:
        return source_state(task_of(wildcards), RESOURCES)
    except UserError as error:
        if not workflow.dryrun:
            raise WorkflowError(str(error)) from None
        # A study is planned before its images are there.
        logger.warning(f"task '{wildcards.task}' cannot be prepared yet: {error}")
        return ""


def probe_inputs(wildcards):
    """Return packages and files that the probe network is read from, checked now."""
    from simtailor.task2vec.probe import checked_probe  # imports torch

    packages, files = or_workflow_error(checked_probe, TASK2VEC)
    return [*(f"{RESOURCES}/packages/{name}" for name in packages), *files]


def in_study(pattern):
    """Return a function that gives a file of every task of the study."""
    return lambda wildcards: [
        pattern.format(task=task) for task in or_workflow_error(study_tasks, TASKS)
    ]


wildcard_constraints:
    task=r"[A-Za-z0-9_\-]+",


rule tasks:
    input:
        in_study(f"{RESULTS}/task2sim/tasks/{{task}}"),


rule prepare_task:
    input:
        packages=packages_of_task,
    output:
        prepared=directory(f"{WORK}/task2sim/tasks/{{task}}"),
        shown=report(
            directory(f"{RESULTS}/task2sim/tasks/{{task}}"),
            patterns=["{figure}.png"],
            caption="../docs/captions/tasks.rst",
            category="Task2Sim",
            subcategory="Tasks",
            labels={"task": "{task}", "figure": "{figure}"},
        ),
    log:
        "logs/task2sim/tasks/{task}.log",
    benchmark:
        "logs/benchmarks/task2sim/tasks/{task}.tsv"
    conda:
        "../envs/simtailor.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        row=lambda wildcards: task_of(wildcards).model_dump(mode="json"),
        size=TASKS.model_dump(include={"image_size", "most_images", "test_share"}),
        source_state=state_of_task,
        seed=CONFIGURATION.seed,
        cache=lambda wildcards: RESOURCES,
    message:
        "Prepare the task {wildcards.task}"
    script:
        "../workflow_scripts/prepare_task.py"


rule task_vector:
    input:
        task=rules.prepare_task.output.prepared,
        probe=probe_inputs,
    output:
        vector=f"{WORK}/task2sim/task_vectors/{{task}}.npz",
        facts=f"{WORK}/task2sim/task_vectors/{{task}}.json",
    log:
        "logs/task2sim/task_vectors/{task}.log",
    benchmark:
        "logs/benchmarks/task2sim/task_vectors/{task}.tsv"
    conda:
        "../envs/simtailor.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=int(CONFIGURATION.device != "cpu"),
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
    input:
        vectors=in_study(f"{WORK}/task2sim/task_vectors/{{task}}.npz"),
        facts=in_study(f"{WORK}/task2sim/task_vectors/{{task}}.json"),
    output:
        vectors=f"{RESULTS}/task2sim/task_vectors.npz",
        shown=report(
            directory(f"{RESULTS}/task2sim/task_vectors"),
            patterns=["{figure}.png"],
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
        mem_mb=1000,
        runtime=10,
    message:
        "Assemble the task vectors and their distances"
    script:
        "../workflow_scripts/task_vectors.py"
