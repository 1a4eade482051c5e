# The validated configuration, and what all stages share.


def or_workflow_error(function, *arguments):
    """Call a library function; show a user's mistake without a traceback."""
    try:
        return function(*arguments)
    except UserError as error:
        raise WorkflowError(str(error)) from None


# Snakemake lists the files of the command line first, though they are merged last.
CONFIG_FILES = [
    *[f for f in workflow.configfiles if f not in workflow.overwrite_configfiles],
    *workflow.overwrite_configfiles,
]
CONFIGURATION = or_workflow_error(load_configuration, config, CONFIG_FILES)
RESULTS, WORK, RESOURCES = (
    CONFIGURATION.results,
    CONFIGURATION.work,
    CONFIGURATION.resources,
)
RENDER_THREADS = 8
EXPERIMENTS = {}


def experiment_of(wildcards):
    """Return the settings of the experiment that a target's name asks for."""
    name = wildcards.experiment
    if name not in EXPERIMENTS:
        EXPERIMENTS[name] = or_workflow_error(
            load_experiment, CONFIGURATION, name, CONFIG_FILES
        )
    return EXPERIMENTS[name]


def settings_of(wildcards):
    """Return the same as plain values, for parameters that Snakemake compares."""
    return experiment_of(wildcards).model_dump(mode="json")


wildcard_constraints:
    experiment=r"[A-Za-z0-9_\-]+(\.seed\d+)?",


# Mistakes in any experiment show now, before a job starts.
for _name in experiment_names(CONFIGURATION):
    or_workflow_error(
        checked_grammars,
        or_workflow_error(load_experiment, CONFIGURATION, _name, CONFIG_FILES),
    )
