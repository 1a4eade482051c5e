# What is said of a run, and when something goes wrong; see simtailor.console.
import gc

from snakemake.io import strip_wildcard_constraints

from simtailor.assets.pack import folder_names, pack_names
from simtailor.browse.page import PAGE, refresh_page
from simtailor.console.display import Display
from simtailor.console.durations import (
    MEASURED,
    SHIPPED,
    UNKNOWN,
    read_durations,
    size_of_experiment,
    size_of_start,
    sizes_of,
)
from simtailor.console.events import ENDED, PLANNED
from simtailor.console.forecast import ExpectedJob
from simtailor.console.opening import what_to_open
from simtailor.pacing import choose_jobs_when_some_end
from simtailor.packages import PACKAGES
from simtailor.reporting import INTERRUPTED
from simtailor.targets import TargetTable
from simtailor.tasks.table import task_names

STOPPED = []  # not empty as soon as a signal stops this run


def unknown_targets():
    """Return a message about the targets asked for that no rule makes."""
    if workflow.dag_settings is None:  # it went wrong before any target was looked at
        return ""
    wildcards_of = {
        "experiment": experiment_names(CONFIGURATION),
        "task": task_names(CONFIGURATION.task2sim.tasks),
        "parameters": SETS,
        "backbone": [*SETS, *REPEATS],
        "pack": [*pack_names(), *folder_names(CONFIGURATION.task2sim.simulation.packs)],
        "package": sorted(PACKAGES),
        "format": FORMATS,
        "kind": list(KINDS),
    }
    named = [rule for rule in workflow.rules if rule.has_wildcards()]
    families = {r.name: strip_wildcard_constraints(str(r.output[0])) for r in named}
    groups_first = sorted(workflow.rules, key=lambda r: bool(r.output))
    name = "letters, digits, _ and -"
    parameters = "nine numbers of 0 to 3 with _ between"
    table = TargetTable(
        rules=[r.name for r in groups_first if not r.has_wildcards()],
        families=families,
        patterns=[
            strip_wildcard_constraints(str(path))
            for rule in workflow.rules
            for path in rule.output
        ],
        names=wildcards_of,
        spelling={
            "experiment": f"an experiment ({name}; at the end perhaps .seed and a number)",
            "task": f"a task ({name})",
            "parameters": f"a set ({parameters})",
            "backbone": f"a backbone ({parameters}; at the end perhaps .seed and a number)",
            "pack": f"an asset pack ({name})",
            "package": f"a package ({name})",
            "format": f"a format of exports ({', '.join(FORMATS)})",
            "kind": f"a kind of task ({', '.join(KINDS)})",
        },
        results=RESULTS,
    )
    asked = workflow.dag_settings
    paths = [*asked.targets, *asked.forcerun, *asked.until, *asked.omit_from]
    unknown = [
        path
        for path in dict.fromkeys(map(str, paths))
        if (path in families and path in asked.targets)
        or not workflow.is_rule(path)
        and not any(rule.is_producer(path.rstrip("/")) for rule in workflow.rules)
    ]
    return "\n".join(map(table.explain, unknown))


def tell_plan():
    """Tell the console which jobs are to run, and how many at a time."""
    cores, nodes = workflow.resource_settings.cores, workflow.resource_settings.nodes
    seconds, sizes = read_durations(SHIPPED, MEASURED), sizes_of(CONFIGURATION)
    number, jobs = workflow.dag.jobid, []
    for job in workflow.dag.needrun_jobs():
        name = job.rule.name
        size = sizes.get(name, 1)
        if name == "metasim_train":
            size = size_of_experiment(experiment_of(job.wildcards))
        if "start" in job.wildcards.keys():
            size *= size_of_start(CONFIGURATION, PAIRS[job.wildcards.start])
        guess = 0 if job.rule.norun else size * seconds.get(name, UNKNOWN)
        needs = tuple(map(number, workflow.dag.dependencies[job]))
        threads = job.threads if nodes is None else 1
        jobs.append(ExpectedJob(number(job), name, threads, guess, needs, size))
    many = "s" if (nodes or cores) != 1 else ""
    means = f"{cores} core{many}" if nodes is None else f"{nodes} job{many} at a time"
    varied = [name for name, values in SIMULATION.values.items() if len(values) > 1]
    facts = {"jobs": jobs, "capacity": nodes or cores, "means": means, "varied": varied}
    logger.info("", extra={"event": PLANNED, **facts})


def write_page_of_results():
    """Write the page of all results, which jobs leave to others where they end fast."""
    if Path(RESULTS).is_dir():
        refresh_page(RESULTS, logger.warning)


def tell_what_to_open():
    """Write the page of all results, and tell the console what was asked for."""
    write_page_of_results()
    asked = [
        str(path)
        for job in workflow.dag.targetjobs
        for path in (job.input if job.rule.norun else job.output)
    ]
    logger.info("", extra={"event": ENDED, "files": what_to_open(asked, RESULTS)})


def stop_quietly():
    """Remember that a signal stops this run, and let no job's end be told."""
    STOPPED.append(True)
    CONSOLE.silence()
    Display.silent = True


CONSOLE = Console(logger, unknown_targets, describe_lock)
if workflow.is_main_process:
    stop_on_signals(stop_quietly)
    # Seldom: of the graph of thousands of jobs nothing is let go of while it grows.
    gc.set_threshold(500_000, 10, 10)


onstart:
    stop_on_signals(
        stop_quietly
    )  # Snakemake's scheduler has set a handler of its own
    choose_jobs_when_some_end(
        workflow.scheduler, workflow.scheduling_settings.max_jobs_per_timespan
    )
    tell_plan()


onsuccess:
    tell_what_to_open()


# The console has told why. Snakemake would add a banner, and give a stopped run the status 1.
onerror:
    if not STOPPED:
        write_page_of_results()
    raise SystemExit(INTERRUPTED if STOPPED else 1)
