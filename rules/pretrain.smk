# Backbones pre-trained on simulated sets.
from simtailor.pretrain.inputs import checked_settings
from simtailor.pretrain.names import BACKBONE_PATTERN

PRETRAIN = CONFIGURATION.task2sim.pretrain
BACKBONES = f"{RESULTS}/task2sim/backbones"


wildcard_constraints:
    backbone=BACKBONE_PATTERN,


localrules:
    backbones,


rule backbones:
    """A backbone pre-trained on every set of the study."""
    input:
        expand(f"{BACKBONES}/{{backbone}}", backbone=SETS),


rule pretrain:
    """results/task2sim/backbones/SET: a backbone pre-trained on a set."""
    input:
        simulated=f"{RESULTS}/task2sim/sets/{{backbone}}",
    output:
        directory(f"{BACKBONES}/{{backbone}}"),
    log:
        "logs/task2sim/backbones/{backbone}.log",
    benchmark:
        "logs/benchmarks/task2sim/backbones/{backbone}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: PRETRAIN.threads
    resources:
        **machines_of(PRETRAIN, CONFIGURATION.device != "cpu"),
        mem_mb=memory("pretrain"),
        runtime=minutes("pretrain"),
        gpu=gpus("pretrain"),
        # Not parameters: they change nothing in what comes out.
        cache_mb=PRETRAIN.cache_mb,
        workers=PRETRAIN.workers,
    params:
        settings=lambda wildcards: checked_settings(PRETRAIN, RESOURCES),
        seed=CONFIGURATION.seed,
        device=CONFIGURATION.device,
        # Not an output: Snakemake deletes the outputs of a job that was killed.
        checkpoint=f"{WORK}/task2sim/backbones/{{backbone}}.pt",
    message:
        "Pre-train the backbone {wildcards.backbone}"
    script:
        "../workflow_scripts/pretrain.py"
