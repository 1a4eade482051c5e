# Backbones pre-trained on simulated sets.
from simtailor.pretrain.inputs import memory_mb, settings_of_a_backbone
from simtailor.pretrain.names import (
    BACKBONE_PATTERN,
    GROUP_PATTERN,
    group_of,
    members_of,
    set_of,
)

PRETRAIN = CONFIGURATION.task2sim.pretrain
BACKBONES = f"{RESULTS}/task2sim/backbones"
BACKBONE_FIGURES = {
    "patterns": ["{figure}.png"],
    "caption": "../docs/captions/backbone.rst",
    "category": "Task2Sim",
    "subcategory": "backbones",
    "labels": {"backbone": "{backbone}", "figure": "{figure}"},
}


wildcard_constraints:
    backbone=BACKBONE_PATTERN,
    group=GROUP_PATTERN,


localrules:
    backbones,


rule backbones:
    input:
        expand(f"{BACKBONES}/{{backbone}}", backbone=SETS),


if PRETRAIN.at_once == 1:

    rule pretrain:
        input:
            sets=lambda wildcards: f"{RESULTS}/task2sim/sets/{set_of(wildcards.backbone)}",
        output:
            report(directory(f"{BACKBONES}/{{backbone}}"), **BACKBONE_FIGURES),
        log:
            "logs/task2sim/backbones/{backbone}.log",
        benchmark:
            "logs/benchmarks/task2sim/backbones/{backbone}.tsv"
        conda:
            "../envs/simtailor.yaml"
        threads: PRETRAIN.threads
        resources:
            mem_mb=memory_mb(PRETRAIN, SIMULATION),
            runtime=480,
            gpu=int(CONFIGURATION.device != "cpu") * PRETRAIN.processes,
            # Not parameters: they change nothing in what comes out.
            cache_mb=PRETRAIN.cache_mb,
            workers=PRETRAIN.workers,
        params:
            settings=settings_of_a_backbone(PRETRAIN),
            names=lambda wildcards: [wildcards.backbone],
            seed=CONFIGURATION.seed,
            device=CONFIGURATION.device,
            # Not an output: Snakemake deletes the outputs of a job that was killed.
            checkpoint=f"{WORK}/task2sim/backbones/{{backbone}}.pt",
        message:
            "Pre-train the backbone {wildcards.backbone}"
        script:
            "../workflow_scripts/pretrain.py"

else:

    rule pretrain_group:
        input:
            sets=lambda wildcards: [
                f"{RESULTS}/task2sim/sets/{set_of(name)}"
                for name in members_of(wildcards.group, SETS, PRETRAIN.at_once)
            ],
        output:
            directory(f"{WORK}/task2sim/backbones/groups/{{group}}"),
        log:
            "logs/task2sim/backbones/group-{group}.log",
        benchmark:
            "logs/benchmarks/task2sim/backbones/group-{group}.tsv"
        conda:
            "../envs/simtailor.yaml"
        threads: PRETRAIN.threads
        resources:
            mem_mb=memory_mb(PRETRAIN, SIMULATION),
            runtime=480,
            gpu=int(CONFIGURATION.device != "cpu"),
            cache_mb=PRETRAIN.cache_mb,
            workers=PRETRAIN.workers,
        params:
            settings=settings_of_a_backbone(PRETRAIN),
            names=lambda wildcards: members_of(wildcards.group, SETS, PRETRAIN.at_once),
            seed=CONFIGURATION.seed,
            device=CONFIGURATION.device,
            checkpoint=f"{WORK}/task2sim/backbones/groups/{{group}}.pt",
        message:
            "Pre-train the backbones of group {wildcards.group} at once"
        script:
            "../workflow_scripts/pretrain.py"

    localrules:
        pretrain_member,

    rule pretrain_member:
        input:
            lambda wildcards: "{folder}/{group}".format(
                folder=f"{WORK}/task2sim/backbones/groups",
                group=group_of(wildcards.backbone, SETS, PRETRAIN.at_once),
            ),
        output:
            report(directory(f"{BACKBONES}/{{backbone}}"), **BACKBONE_FIGURES),
        log:
            "logs/task2sim/backbones/{backbone}.log",
        benchmark:
            "logs/benchmarks/task2sim/backbones/{backbone}.tsv"
        conda:
            "../envs/simtailor.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=10,
            gpu=0,
        message:
            "Take the backbone {wildcards.backbone} out of its group"
        script:
            "../workflow_scripts/pretrain_member.py"
