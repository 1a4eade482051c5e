# What the rules of the data sets ask about an experiment.


def settings_of_dataset_of(wildcards):
    """Return the settings of an experiment's data set, checked now."""
    return settings_of_dataset(experiment_of(wildcards), CONFIGURATION.datasets)


def exportable(wildcards):
    """Return the data set of an experiment, if it has what exports are made of."""
    check_exportable(wildcards.experiment, experiment_of(wildcards), wildcards.format)
    return f"{RESULTS}/datasets/{wildcards.experiment}"


def exportable_set(wildcards):
    """Return a simulated set, if it has what exports are made of."""
    check_set_exportable(wildcards.parameters, wildcards.format)
    return f"{RESULTS}/task2sim/sets/{wildcards.parameters}"


FORMAT_PATTERN = "|".join(FORMATS)


wildcard_constraints:
    format=FORMAT_PATTERN,
