# What the rules of the controller share.
from simtailor.controller.inputs import (
    evidence_state,
    known_files,
    rounds,
    settings_of_evidence,
)
from simtailor.files import read_json

CONTROLLER = CONFIGURATION.task2sim.controller
KNOWN_REWARDS, KNOWN_VECTORS = known_files(CONFIGURATION)
EXPLORATIONS = f"{WORK}/task2sim/explore"
EXPLORED = settings_of_evidence(CONFIGURATION)
ROUNDS = rounds(CONTROLLER)


def rounds_before(wildcards, number):
    """Return the files of the rounds before one; the first that is not made yet is made first."""
    return [
        checkpoints.propose_sets.get(task=wildcards.task, round=before).output[0]
        for before in range(number)
    ]


def tried_in(wildcards, files):
    """Return the evaluations of all sets that rounds proposed."""
    names = [name for file in files for name in read_json(file)["sets"]]
    folder = f"{EXPLORATIONS}/{wildcards.task}/evaluations"
    return [f"{folder}/{name}.json" for name in names]


def evaluated_before(wildcards):
    return tried_in(wildcards, rounds_before(wildcards, int(wildcards.round)))


def evaluated_at_last(wildcards):
    """Return the evaluations of all sets tried, of the recommended and of the best fixed one."""
    files = rounds_before(wildcards, len(ROUNDS) + 1)
    last = read_json(files[-1])
    folder = f"{EXPLORATIONS}/{wildcards.task}/evaluations"
    return [
        *tried_in(wildcards, files),
        f"{folder}/{last['recommended']}.json",
        f"{folder}/{last['best_fixed_set']}.json",
    ]
