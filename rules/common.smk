# The validated configuration, and what all stages share.


# Snakemake lists the files of the command line first, though they are merged last.
CONFIG_FILES = [
    *[f for f in workflow.configfiles if f not in workflow.overwrite_configfiles],
    *workflow.overwrite_configfiles,
]
CONFIGURATION = load_configuration(config, CONFIG_FILES)
for _warning in check_configuration(
    CONFIGURATION,
    config,
    CONFIG_FILES,
    workflow.resource_settings.nodes is None,  # else jobs run elsewhere
):
    CONSOLE.later(_warning)
RESULTS, WORK, RESOURCES = (
    CONFIGURATION.results,
    CONFIGURATION.work,
    CONFIGURATION.resources,
)
# For scripts; no parameters, for they change no result.
config["results"], config["tracking"] = RESULTS, CONFIGURATION.tracking
NEEDS = needs_of(CONFIGURATION)
RENDER_THREADS = 8
# In a report's patterns: a file in the folder itself. A bare wildcard takes subfolders, too.
FIGURE = "{figure,[^/]+}"
EXPERIMENTS = {}


def memory(rule):
    """Return the MB that a rule asks for, once more in each further attempt."""
    return lambda wildcards, attempt: attempt * NEEDS[rule].memory_mb


def minutes(rule):
    """Return the minutes that a rule asks for, once more in each further attempt."""
    return lambda wildcards, attempt: attempt * NEEDS[rule].minutes()


def minutes_of_training(wildcards, attempt):
    """Return the same of a training of Meta-Sim, by its experiment."""
    size = size_of_experiment(experiment_of(wildcards))
    return attempt * NEEDS["metasim_train"].minutes(size)


def gpus(rule):
    """Return how many GPUs a rule asks for."""
    return NEEDS[rule].gpus


def experiment_of(wildcards):
    """Return the settings of the experiment that a target's name asks for."""
    name = wildcards.experiment
    if name not in EXPERIMENTS:
        EXPERIMENTS[name] = load_experiment(CONFIGURATION, name, CONFIG_FILES)
    return EXPERIMENTS[name]


def settings_for(job):
    """Return a function that gives a job's settings as plain values, for Snakemake to compare.

    Only what the job depends on: another number of epochs renders no target again.
    """
    return lambda wildcards: settings_of_job(experiment_of(wildcards), job).model_dump(
        mode="json"
    )


def grammars_of(wildcards):
    """Return the grammar files, checked now so that no job starts on a malformed one."""
    files = checked_grammars(experiment_of(wildcards))
    return {role: local(path) for role, path in files.items()}


def weights_of(wildcards):
    """Return the user's file of feature weights by role, checked now; empty where none is."""
    files = checked_features(experiment_of(wildcards))
    return {role: local(path) for role, path in files.items()}


def kernels_of(wildcards):
    """Return the ray caster's compiled kernels; nothing for a renderer that needs none."""
    needed = needs_kernels(experiment_of(wildcards))
    return local(rules.compile_renderer.output) if needed else []


def package_folders(names):
    return [local(f"{RESOURCES}/packages/{name}") for name in names]


def packages_of(wildcards):
    """Return the folders of the fetched packages that an experiment needs."""
    return package_folders(required_packages(experiment_of(wildcards)))


def package_folders_of_renderer(wildcards):
    """Return the folders of the fetched packages that an experiment's renderer reads."""
    return package_folders(packages_of_renderer(experiment_of(wildcards)))


def sources_of_target(wildcards):
    """Return what the target images are drawn with, by role; nothing for a folder or a build.

    Other features or another prior draw no target again.
    """
    files, experiment = grammars_of(wildcards), experiment_of(wildcards)
    if experiment.target.grammar is None:
        return {"packages": package_folders(experiment.target.packages)}
    return {
        "target_grammar": files["target_grammar"],
        "kernels": kernels_of(wildcards),
        "packages": package_folders_of_renderer(wildcards),
    }


def checksum_of_package(wildcards):
    """Return the package's checksum, so that another version is fetched anew."""
    return find_package(wildcards.package).sha256


def folder_state_of(wildcards):
    """Return a digest of the user's target folder: changed images start the stage again."""
    return folder_state(experiment_of(wildcards).target)


def pack_asked_for(wildcards):
    """Return the pack of a target's name, which may be that of a folder of the user's."""
    return pack_called(wildcards.pack, CONFIGURATION.task2sim.simulation.packs)


def renderer_state_of(wildcards):
    """Return the renderer's version: a changed file of the user's starts the stage again."""
    return renderer_state(experiment_of(wildcards))


wildcard_constraints:
    experiment=r"[A-Za-z0-9_\-]+(\.seed\d+)?",
    package=r"[A-Za-z0-9_\-]+",


# A mistake in an experiment's file shows now, but stops only who asks for that experiment.
for _name in experiment_names(CONFIGURATION):
    try:
        _experiment = load_experiment(CONFIGURATION, _name, CONFIG_FILES)
        checked_grammars(_experiment)
        checked_features(_experiment)
    except UserError as error:
        CONSOLE.later(f"experiment '{_name}' cannot run: {error}")
