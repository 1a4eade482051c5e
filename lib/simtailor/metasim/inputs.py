"""What is checked of an experiment while the workflow is planned, before any job starts.

Imports torch only for an experiment that needs it: that takes longer than to plan 800 jobs.
"""

from __future__ import annotations

import math
import os
from typing import Literal

import numpy as np

from simtailor.errors import UserError, nearest_name
from simtailor.files import files_state
from simtailor.intake.folder import check_images
from simtailor.metasim.labels import object_classes, translated_labels
from simtailor.metasim.settings import PACKAGE, Evaluation, Experiment, Target
from simtailor.metasim.target import FEWEST_CLASSES, split_target
from simtailor.metasim.target_build import build_state
from simtailor.metasim.target_folder import find_target
from simtailor.render.drawable import check_drawable, check_startable
from simtailor.scene.grammar import Grammar

FEWEST_TO_TRAIN_ON = 4  # images: two are compared with two others
SMALLEST_IMAGE = 16  # pixels that two convolutions of 5 x 5 with pooling leave something of


def checked_grammars(experiment: Experiment) -> dict[str, str]:
    """Return the experiment's grammar files by role, after reading and comparing them.

    Raises:
        UserError: a file is absent or malformed, the target's grammar lacks what the
            prior's may change, or the task lacks what it needs.
    """
    files = {"grammar": experiment.grammar}
    prior = experiment.read_grammar(experiment.grammar)
    if experiment.target.grammar is not None:
        files["target_grammar"] = experiment.target.grammar
        target_grammar = experiment.read_grammar(experiment.target.grammar)
        target = target_grammar.layout
        carried = {
            (target.source_keys[target.source_of[node]], target.features[feature])
            for node, feature in np.argwhere(target.maximum > 0)
        }
        for node, feature in prior.layout.entries():
            owner = prior.layout.source_keys[prior.layout.source_of[node]]
            name = prior.layout.features[feature]
            if (owner, name) not in carried:
                raise UserError(
                    f"{experiment.target.grammar}: no node '{owner}' with the attribute "
                    f"'{name}', which {experiment.grammar} lets the generator change"
                )
        _check_classes(prior, target_grammar)
    _check_renderer(experiment)
    _check_parts(experiment)
    check_task(experiment)
    for file in files.values():
        check_drawable(experiment.read_grammar(file), experiment.contract)
    return files


def _check_renderer(experiment: Experiment) -> None:
    """Check that the renderer can start, and draw what the training wants."""
    contract = experiment.contract
    check_startable(contract)
    training, stage = experiment.training.image_size, experiment.stage.image_size
    if not contract.resizable and training < stage:
        raise UserError(
            f"training.image_size: {training}, but the renderer '{contract.name}' places things in "
            f"pixels of stage.image_size {stage}; set training.image_size: {stage}"
        )


def _check_parts(experiment: Experiment) -> None:
    """Check that the shares of the evaluation leave enough of the target to train on."""
    target, evaluation = experiment.target, experiment.evaluation
    count = target.images
    if target.folder is not None:
        count = min(count, len(find_target(target.folder).files))
    needed = count * math.prod(experiment.stage.size) * 3
    if needed > (memory := os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")):
        raise UserError(
            f"target.images: {count:,} images of {experiment.stage.image_size} pixels take "
            f"{needed / 1e9:,.0f} GB of memory; this machine has {memory / 1e9:,.0f} GB. Give "
            "fewer images, or a smaller stage.image_size."
        )
    left = len(split_target(count, evaluation, 0).training)
    if left < FEWEST_TO_TRAIN_ON:
        raise UserError(
            f"evaluation.held_out: {evaluation.held_out} and evaluation.validation: "
            f"{evaluation.validation} leave {left} of {count} target images to train on; at "
            f"least {FEWEST_TO_TRAIN_ON} are needed: lower them, or give more images"
        )


def _check_classes(prior: Grammar, target: Grammar) -> None:
    """Check that the prior can draw every class that the target has in a node that may change."""
    keys, firsts = target.layout.source_keys, target.layout.firsts
    sources = prior.layout.source_of
    for source in sorted({int(sources[node]) for node, _ in prior.layout.entries()}):
        node = prior.layout.firsts[source]
        key, known = prior.layout.source_keys[source], prior.nodes[node].classes
        _check_copies(prior, target, key)
        for name in target.nodes[firsts[keys.index(key)]].classes:
            if name not in known:
                names = ", ".join(map(str, known))
                raise UserError(
                    f"{target.source}: the class '{name}' of node '{key}' is none of those that "
                    f"{prior.source} draws ({names}).{nearest_name(str(name), map(str, known))}"
                )


def _check_copies(prior: Grammar, target: Grammar, key: str) -> None:
    """Check that the prior can draw a node as often as the target does."""
    most = [g.layout.source_of.tolist().count(g.layout.source_keys.index(key))
            for g in (prior, target)]  # fmt: skip
    if most[1] > most[0]:
        raise UserError(
            f"{target.source}: up to {most[1]} nodes '{key}' are drawn, and {prior.source} draws "
            f"at most {most[0]}. Let it draw as many."
        )


def check_task(experiment: Experiment) -> None:
    """Check that the task, if there is one, has classes, labels and images large enough.

    Raises:
        UserError: names file, key and fix.
    """
    network, target = experiment.task.network, experiment.target
    if network == "none":
        return
    for section in ("stage", "training"):
        size = getattr(experiment, section).image_size
        if size < SMALLEST_IMAGE:
            raise UserError(
                f"{section}.image_size: {size}, but a task network needs at least "
                f"{SMALLEST_IMAGE} pixels"
            )
    names = object_classes(experiment.read_grammar(experiment.grammar))
    if len(names) < FEWEST_CLASSES:
        raise UserError(
            f"{experiment.grammar}: task.network: '{network}' needs exactly one node with a "
            'random class, such as ["Random", ["bowl", "mug"]]; its class is the label'
        )
    if target.grammar is not None:
        source = target.grammar
        label_names = object_classes(experiment.read_grammar(target.grammar))
        fix = "give it exactly one node with a random class"
    elif target.folder is None:
        raise UserError(
            f"{target.source}: task.network: '{network}' needs labels of the target, and neither a "
            "build nor a large picture names classes; give target.folder with a subfolder a "
            "class, or set task.network: none"
        )
    else:
        source = f"{target.folder}: target.folder"
        label_names = find_target(str(target.folder)).label_names
        fix = "put every image into a subfolder named by its class"
    if len(label_names) < FEWEST_CLASSES:
        raise UserError(
            f"{source}: task.network: '{network}' needs labels of the target; {fix} "
            f"(the classes: {', '.join(names)}), or set task.network: none"
        )
    translated_labels(np.zeros(0, np.int64), label_names, names, source)


def folder_state(target: Target) -> str:
    """Return a digest of names, sizes and times of a folder's images, or of a build's files.

    It is empty for a grammar.

    Raises:
        UserError: the folder is absent, holds too few images, or some cannot be opened.
    """
    if target.build is not None:
        return build_state(target.build)
    if target.folder is None:
        return ""
    found = find_target(target.folder)
    check_images(found.files, found.where)
    return files_state(found.files)


def checked_features(experiment: Experiment) -> dict[str, str]:
    """Return the user's file of feature weights, if there is one, as ``{"weights": file}``.

    Raises:
        UserError: there is no such file, or timm has no such model.
    """
    features = experiment.features
    width = min(experiment.training.image_size, experiment.stage.image_size)
    edge = min(experiment.stage.model_copy(update={"image_size": width}).size)
    chosen = "pyramid" in features.model_fields_set  # by the user; the default suits small images
    if not features.of_network and chosen and features.pyramid[0] > edge:
        raise UserError(
            f"features.pyramid: {features.pyramid[0]}, but the images have {edge} pixels while "
            f"training. Give edges up to {edge}, or raise training.image_size and "
            "stage.image_size."
        )
    if features.kind == "timm":
        from simtailor.metasim.features.networks import check_layers, check_model  # noqa: PLC0415

        check_model(features.model)
        if features.layers:
            check_layers(features.model, features.layers)
    if features.weights_file is None:
        return {}
    from simtailor.metasim.features.weights import check_weights_file  # noqa: PLC0415

    check_weights_file(features.weights_file)
    return {"weights": features.weights_file}


def packages_of_renderer(experiment: Experiment) -> list[str]:
    """Return the names of the fetched packages that the renderer reads."""
    return list(experiment.contract.needs.packages)


def renderer_state(experiment: Experiment) -> str:
    """Return in which version the renderer is; empty of one that is built in."""
    return experiment.contract.identity


def needs_kernels(experiment: Experiment) -> bool:
    """Return whether the ray caster's kernels have to be compiled first."""
    return experiment.contract.needs.kernels


def required_packages(experiment: Experiment) -> list[str]:
    """Return the names of the fetched packages that renderer and features read."""
    features = experiment.features
    packaged = features.of_network and features.weights == "package"
    return packages_of_renderer(experiment) + [PACKAGE] * packaged


def settings_of_job(
    experiment: Experiment, job: Literal["target", "training", "results"]
) -> Experiment:
    """Return the experiment with everything that a job does not depend on at its default."""
    if job == "results":
        return experiment
    kept = {"grammar", "target", "renderer", "stage", "seed"}
    values = experiment.model_dump(include=kept)
    if job == "training":
        kept = {"generator", "features", "discrepancy", "training", "task"}
        values |= experiment.model_dump(include=kept)
        parts = experiment.evaluation.model_dump(include={"held_out", "validation"})
        values["evaluation"] = Evaluation(**parts)
    return Experiment.model_validate(values)
