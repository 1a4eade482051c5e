"""How many scenes a training renders, from its settings alone."""

from __future__ import annotations

from simtailor.metasim.settings import WEIGHED, Experiment

# What ``search`` does at most: so often it refines all matches, each time with the derivatives
# once, differences to one side, and a few steps.
REFINEMENTS, STEPS = 9, 4


def most_renders(experiment: Experiment) -> int:
    """Return about the most scenes that a training renders, without the epochs of a task.

    Fewer where the training stops early or most matches are good at once: in nine shipped
    experiments 0.6 to 1.0 of it (benchmarks/metasim_recovery.md).
    """
    training, search = experiment.training, experiment.training.search
    layout = experiment.read_grammar(experiment.grammar).layout
    entries, weighed = len(layout.entries()), WEIGHED * any(drawn.learnt for drawn in layout.drawn)
    total = training.epochs * (
        training.scenes_per_epoch * (1 + weighed + entries) + training.validation_scenes
    )
    if experiment.generator == "transport" and search.rounds:
        total += search.candidates * entries * (search.rounds + 2)
        total += REFINEMENTS * search.images * (1 + entries + STEPS)
    return total
