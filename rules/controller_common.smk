# What the rules of the controller share.
from functools import cache

from simtailor.controller.inputs import (
    evidence_state,
    folder_of_evaluations,
    known_files,
    SCREENING,
    rounds,
    screened_configuration,
    settings_of_evidence,
)
from simtailor.files import read_json
from simtailor.finished_studies import study_to_learn_from
from simtailor.simulation.inputs import settings_of_a_set, study_settings

CONTROLLER = CONFIGURATION.task2sim.controller
KNOWN_REWARDS, KNOWN_VECTORS = known_files(CONFIGURATION)
LEARNED = study_to_learn_from(CONFIGURATION)
EXPLORATIONS = f"{WORK}/task2sim/explore"
EXPLORED = settings_of_evidence(CONFIGURATION)
ROUNDS = rounds(CONTROLLER)
WHOLE, FEW = (
    f"{EXPLORATIONS}/{{task}}/{folder_of_evaluations(screening=screening)}"
    for screening in (False, True)
)
SCREENED_STUDY = screened_configuration(CONFIGURATION)
EXPLORED_FEW = settings_of_evidence(SCREENED_STUDY)
SCREENED_SETS = f"{WORK}/task2sim/screened"


@cache
def say_what_is_learned_from():
    """Say once, where a job needs it, which study it is and whether its settings are others."""
    for sentence in filter(None, (LEARNED.note, LEARNED.other_evidence)):
        CONSOLE.later(f"{sentence}.")


def learned_rewards(wildcards):
    """Return the reward database that recommendations learn from."""
    say_what_is_learned_from()
    return LEARNED.reward_db


def screened_set(wildcards):
    """Return the settings of a set of few images."""
    return settings_of_a_set(study_settings(SCREENED_STUDY), wildcards.parameters)


def rounds_before(wildcards, name=None):
    """Return the files of the rounds before one; the first that is not made yet is made first.

    Without a name, those of all rounds.
    """
    names = list(ROUNDS)
    return [
        checkpoints.propose_sets.get(task=wildcards.task, round=before).output[0]
        for before in names[: names.index(name) if name else None]
    ]


def tried_in(wildcards, files):
    """Return the evaluations of all sets that rounds proposed."""
    return [
        local(
            f"{(FEW if made['screening'] else WHOLE).format(task=wildcards.task)}/{name}.json"
        )
        for made in map(read_json, files)
        for name in made["sets"]
    ]


def evaluated_before(wildcards):
    return tried_in(wildcards, rounds_before(wildcards, wildcards.round))


def evaluated_at_last(wildcards):
    """Return the evaluations of all sets tried, of the recommended and of the best fixed one."""
    files = rounds_before(wildcards)
    last = read_json(files[-1])
    folder = WHOLE.format(task=wildcards.task)
    return [
        *tried_in(wildcards, files),
        local(f"{folder}/{last['recommended']}.json"),
        local(f"{folder}/{last['best_fixed_set']}.json"),
    ]
