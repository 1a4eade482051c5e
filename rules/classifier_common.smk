# What the rules of classifiers share.
from simtailor.classifier.inputs import (
    IMAGENET,
    ORIGINS,
    RAW_PIXELS,
    SIMULATED,
    settings_of_a_classifier,
)
from simtailor.yaml_files import read_yaml

CLASSIFIER = CONFIGURATION.task2sim.classifier
ATTEMPTS = f"{WORK}/task2sim/classifiers"


def recommendation_for_classifier(wildcards):
    """Return the recommendation's file; nothing where the configuration names the set."""
    if CLASSIFIER.set is not None:
        return []
    return checkpoints.recommend.get(task=wildcards.task).output[0]


def set_of_classifier(wildcards):
    """Return the set that is pre-trained on; the recommendation is made first."""
    return CLASSIFIER.set or read_yaml(recommendation_for_classifier(wildcards))["set"]


def network_of_origin(wildcards):
    """Return the folder that a network is read from; nothing where it needs none."""
    if wildcards.origin == SIMULATED:
        return f"{BACKBONES}/{set_of_classifier(wildcards)}"
    if wildcards.origin == IMAGENET:
        return local(f"{RESOURCES}/packages/efficientnet_lite0")
    return []


wildcard_constraints:
    origin="|".join(ORIGINS),
