# Simulated sets.
from simtailor.assets.pack import fetched_packages, packs_state
from simtailor.simulation.inputs import (
    INCIDENTAL_KEYS,
    incidental_keys,
    set_names,
    settings_of_a_set,
    settings_of_pictures,
    study_settings,
    version_of_sets,
)

SIMULATION = study_settings(CONFIGURATION)
SETS = set_names(SIMULATION)
EMBEDDED = SIMULATION.renderer == "embedded"
SIMULATION_PACKAGES = fetched_packages(SIMULATION.packs) if EMBEDDED else []
SIMULATION_KERNELS = local(rules.compile_renderer.output) if EMBEDDED else []
SIMULATION_ASSETS = local(f"{WORK}/task2sim/assets.safetensors") if EMBEDDED else []
PART = (
    f"{WORK}/task2sim/sets/{{{{parameters}}}}/parts/{{part}}-of-{SIMULATION.parts}.json"
)
config[INCIDENTAL_KEYS] = incidental_keys(SIMULATION)  # for scripts; changes no result


wildcard_constraints:
    parameters=r"[0-3](_[0-3]){8}(\.seed\d+)?",
    part=r"\d+",


localrules:
    sets,


rule sets:
    """Every simulated set of the study, and pictures of what each parameter does."""
    input:
        expand(f"{RESULTS}/task2sim/sets/{{parameters}}", parameters=SETS),
        f"{RESULTS}/task2sim/parameters",


rule prepare_assets:
    """A part of the target sets."""
    input:
        packages=package_folders(SIMULATION_PACKAGES),
    output:
        local(f"{WORK}/task2sim/assets.safetensors"),
    log:
        "logs/task2sim/prepare_assets.log",
    benchmark:
        "logs/benchmarks/task2sim/prepare_assets.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("prepare_assets"),
        runtime=minutes("prepare_assets"),
        gpu=gpus("prepare_assets"),
    params:
        packs=SIMULATION.packs,
        classes=SIMULATION.classes,
        files_state=lambda wildcards: packs_state(SIMULATION.packs),
        cache=lambda wildcards: RESOURCES,
    message:
        "Make models, prefilter skies and pack all assets into one file"
    script:
        "../workflow_scripts/prepare_assets.py"


rule simulation_pictures:
    """Pictures of what each simulation parameter does."""
    input:
        kernels=SIMULATION_KERNELS,
        assets=SIMULATION_ASSETS,
    output:
        report(
            directory(f"{RESULTS}/task2sim/parameters"),
            patterns=[f"{FIGURE}.png"],
            caption="../docs/captions/parameters.rst",
            category="Task2Sim",
            subcategory="simulation parameters",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/task2sim/simulation_pictures.log",
    benchmark:
        "logs/benchmarks/task2sim/simulation_pictures.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: SIMULATION.threads
    resources:
        mem_mb=memory("simulation_pictures"),
        runtime=minutes("simulation_pictures"),
        gpu=gpus("simulation_pictures"),
    params:
        settings=settings_of_pictures(SIMULATION),
        version=lambda wildcards: version_of_sets(SIMULATION),
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Show what each simulation parameter does, and the classes"
    script:
        "../workflow_scripts/simulation_pictures.py"


rule simulate_part:
    """A part of a large simulated set."""
    input:
        kernels=SIMULATION_KERNELS,
        assets=SIMULATION_ASSETS,
    output:
        local(PART.format(part="{part}")),
    log:
        "logs/task2sim/sets/{parameters}/part-{part}.log",
    benchmark:
        "logs/benchmarks/task2sim/sets/{parameters}/part-{part}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: SIMULATION.threads
    resources:
        mem_mb=memory("simulate_part"),
        runtime=minutes("simulate_part"),
        gpu=gpus("simulate_part"),
    params:
        settings=lambda wildcards: settings_of_a_set(SIMULATION, wildcards.parameters),
        parts=SIMULATION.parts,
        work=f"{WORK}/task2sim/sets/{{parameters}}",
        version=lambda wildcards: version_of_sets(SIMULATION),
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Render part {wildcards.part} of the set {wildcards.parameters}"
    script:
        "../workflow_scripts/simulate_part.py"


rule simulate_set:
    """results/task2sim/sets/SET: a simulated set."""
    input:
        kernels=SIMULATION_KERNELS,
        assets=SIMULATION_ASSETS,
        parts=(
            [local(PART.format(part=part)) for part in range(SIMULATION.parts)]
            if SIMULATION.parts > 1
            else []
        ),
    output:
        directory(f"{RESULTS}/task2sim/sets/{{parameters}}"),
    log:
        "logs/task2sim/sets/{parameters}/set.log",
    benchmark:
        "logs/benchmarks/task2sim/sets/{parameters}/set.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: SIMULATION.threads
    resources:
        mem_mb=memory("simulate_set"),
        runtime=minutes("simulate_set"),
        gpu=gpus("simulate_set"),
    params:
        settings=lambda wildcards: settings_of_a_set(SIMULATION, wildcards.parameters),
        # Not an output: Snakemake deletes the outputs of a job that was killed.
        work=f"{WORK}/task2sim/sets/{{parameters}}",
        version=lambda wildcards: version_of_sets(SIMULATION),
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Make the simulated set {wildcards.parameters}"
    script:
        "../workflow_scripts/simulate_set.py"


# Makes what is missing first. It has no output, so it looks at every shard whenever asked.
rule check_sets:
    """Compare every shard of the sets with its checksum."""
    input:
        sets=expand(f"{RESULTS}/task2sim/sets/{{parameters}}", parameters=SETS),
    log:
        "logs/task2sim/check_sets.log",
    benchmark:
        "logs/benchmarks/task2sim/check_sets.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("check_sets"),
        runtime=minutes("check_sets"),
        gpu=gpus("check_sets"),
    message:
        "Compare all shards with their checksums"
    script:
        "../workflow_scripts/check_sets.py"


rule export_set:
    """results/task2sim/FORMAT/SET: a simulated set as coco or yolo."""
    input:
        made=exportable_set,
    output:
        # Of patterns in object storage Snakemake keeps only the limits that stand in them.
        directory(f"{RESULTS}/task2sim/{{format,{FORMAT_PATTERN}}}/{{parameters}}"),
    log:
        "logs/task2sim/{format}/{parameters}.log",
    benchmark:
        "logs/benchmarks/task2sim/{format}/{parameters}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("export_set"),
        runtime=minutes("export_set"),
        gpu=gpus("export_set"),
        turn=1,
    message:
        "Export the set {wildcards.parameters} to the format '{wildcards.format}'"
    script:
        "../workflow_scripts/export_set.py"
