from pathlib import Path

from snakemake.logging import logger
from snakemake.utils import min_version

from simtailor.assets.pack import pack_called
from simtailor.checks import check_configuration
from simtailor.config import experiment_names, load_configuration, load_experiment
from simtailor.console.errors import Console
from simtailor.datasets.formats import FORMATS
from simtailor.detector.inputs import (
    DETECTOR_VERSION,
    DRAWN,
    classes_of,
    drawn_for,
    labels_state,
    sources_of,
    tiles_of,
)
from simtailor.detector.settings import SOURCES
from simtailor.errors import UserError
from simtailor.fitted.inputs import (
    DATASETS_VERSION,
    check_exportable,
    settings_of_dataset,
)
from simtailor.interruption import describe_lock, stop_on_signals
from simtailor.metasim.inputs import (
    checked_features,
    checked_grammars,
    folder_state,
    needs_kernels,
    packages_of_renderer,
    renderer_state,
    required_packages,
    settings_of_job,
)
from simtailor.needs import machines_of, needs_of
from simtailor.packages import find_package
from simtailor.shipped import found_path
from simtailor.simulation.exported import check_set_exportable
from simtailor.task2vec.inputs import checked_probe
from simtailor.tasks.prepare import reading_threads, source_exists, source_state
from simtailor.tasks.table import find_task, study_tasks, task_names
from simtailor.worth.inputs import (
    WORTH_VERSION,
    trained_sources,
    trial_of,
)
from simtailor.worth.kinds import KINDS
from simtailor.worth.settings import SOURCES as WORTH_SOURCES, TEST

min_version("9.20")

# Of the folder that the workflow is used from, or else the project's.
CONFIG = "config/config.yaml"
if not Path(CONFIG).exists():
    CONFIG = str(workflow.source_path(CONFIG))


configfile: CONFIG


report: "docs/captions/introduction.rst"


include: "rules/messages.smk"
include: "rules/common.smk"
include: "rules/renderer.smk"
include: "rules/packages.smk"
include: "rules/assets.smk"
include: "rules/metasim.smk"
include: "rules/datasets_common.smk"
include: "rules/datasets.smk"
include: "rules/detector.smk"
include: "rules/worth.smk"
include: "rules/simulation.smk"
include: "rules/tasks.smk"
include: "rules/pretrain.smk"
include: "rules/study.smk"
include: "rules/evaluation.smk"
include: "rules/controller.smk"
include: "rules/classifier.smk"
include: "rules/preflight.smk"
include: "rules/needs.smk"
include: "rules/dag.smk"
include: "rules/page.smk"


localrules:
    all,
    dag,
    tasks,
    fetch_package,  # the nodes of a cluster often have no network


rule all:
    """The default study: the experiment tyol_1attr, and the controller with all that it needs."""
    default_target: True
    input:
        f"{RESULTS}/metasim/tyol_1attr",
        f"{RESULTS}/task2sim/controller",
