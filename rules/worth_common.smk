# What the rules of the worth of a fit ask about an experiment.


def trial_of_experiment(wildcards):
    """Return what an experiment's networks are tried on, checked once: that reads a folder."""
    asked = wildcards.kind, wildcards.experiment
    if asked not in TRIALS:
        TRIALS[asked] = trial_of(*asked, experiment_of(wildcards), WORTH)
    return TRIALS[asked]


def plain_trial_of(wildcards):
    return trial_of_experiment(wildcards).model_dump(mode="json")


def trial_of_pictures(wildcards):
    """Return what the pictures of one source depend on."""
    trial = trial_of_experiment(wildcards).of_source(wildcards.examples)
    return trial.model_dump(mode="json")


def guesses_of_sources(wildcards):
    """Return the guesses of all networks, by source and seed."""
    return local(
        expand(
            rules.train_worth.output[0],
            source_of_worth=trained_sources(WORTH, trial_of_experiment(wildcards)),
            number=range(WORTH.seeds),
            allow_missing=True,
        )
    )


def examples_of_sources(wildcards):
    """Return the files of pictures of all sources, and of those that networks are tried on."""
    sources = trained_sources(WORTH, trial_of_experiment(wildcards))
    return local(
        expand(
            rules.worth_pictures.output[0],
            examples=[*sources, TEST],
            allow_missing=True,
        )
    )


WORTH = CONFIGURATION.worth
TRIALS = {}


wildcard_constraints:
    kind="|".join(KINDS),
    examples="|".join([*WORTH_SOURCES, TEST]),
    source_of_worth="|".join(WORTH_SOURCES),
