"""What Snakemake's logger lets through: the user's mistake, once, and nothing around it."""

import logging
import os
import subprocess

import pytest

from simtailor.console.errors import KEPT, Console
from simtailor.errors import UserError
from simtailor.reporting import failure_in, reporter


class LockException(Exception):  # noqa: N818  (Snakemake's name)
    pass


@pytest.fixture
def said():
    """A logger as Snakemake's, with the filter on it, and all that passes."""
    logger = logging.Logger("snakemake")
    told = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.msg)
    logger.addHandler(handler)
    return logger, Console(logger, lambda: "no such target", lambda: "locked"), told


def fail(logger, error, cause=None):
    """Tell of an exception as Snakemake does."""
    try:
        try:
            raise cause or error
        except Exception as first:
            if cause is None:
                raise
            raise error from first
    except Exception as told:
        logger.error(f"banner and traceback of {told}", extra={"event": "error"})


def job(**values):
    facts = {"event": "job_error", "rule_name": "train", "log": [], "rule_msg": None, "jobid": 1}
    return facts | values


def test_banner_and_warnings_wait_until_the_plan_stands(said):
    logger, console, told = said
    console.later("experiment 'a' cannot run")
    logger.info("files are shared")
    logger.info("banner", extra={"event": "workflow_started"})
    logger.info("Building DAG of jobs...")
    assert told == ["files are shared"]
    logger.info("Job stats")
    assert told[1:] == [
        "experiment 'a' cannot run", "banner", "Building DAG of jobs...", "Job stats",
    ]  # fmt: skip
    console.later("later")
    assert told[-1] == "later"


def test_a_mistake_while_planning_is_told_alone(said):
    logger, console, told = said
    console.later("experiment 'a' cannot run: photos: no such folder")
    logger.info("banner", extra={"event": "workflow_started"})
    fail(logger, RuntimeError("in rule x"), UserError("photos: no such folder"))
    assert told == ["photos: no such folder"]


def test_an_error_without_a_mistake_keeps_its_traceback(said):
    logger, _, told = said
    logger.info("banner", extra={"event": "workflow_started"})
    fail(logger, RuntimeError("a bug"), KeyError("x"))
    assert told == ["banner", "banner and traceback of a bug"]


def test_a_lock_is_explained(said):
    logger, _, told = said
    fail(logger, LockException("use --unlock"))
    assert told == ["locked"]


def test_failed_jobs_have_a_line_each(said):
    logger, _, told = said
    fail(logger, RuntimeError("in rule x"), subprocess.CalledProcessError(1, "python"))
    logger.error("Error in rule", extra=job(log=["logs/a.log"]))
    logger.error("Error in rule", extra=job(rule_name="target", log=["logs/b.log"]))
    logger.error("Exiting because a job execution failed.")
    assert told == [
        "Stopped in the rule train. See logs/a.log.",
        "Stopped in the rule target. See logs/b.log.",
        KEPT,
    ]


@pytest.mark.parametrize("grouped", [False, True])
def test_the_reason_of_a_job_on_a_cluster_comes_from_its_log(said, tmp_path, grouped):
    """Whatever the clocks of the cluster's machines say."""
    logger, _, told = said
    log, former = tmp_path / "a.log", tmp_path / "former.log"
    for path in (log, former):
        path.write_text("failed: of another run\n")
        logger.info("begins", extra=job(event="job_info", log=[str(path)]))
    del told[:]
    with pytest.raises(SystemExit), reporter(log, "a"):
        raise UserError("photos: 3 images cannot be read:\n  a.png")
    os.utime(log, (0, 0))  # of a machine whose clock is behind
    message = None if grouped else "SLURM status is: 'OUT_OF_MEMORY'"
    if grouped:
        extra = {"event": "group_error", "aux_logs": [], "job_error_info": [job()]}
        logger.error("Error in group", extra=extra)
        assert told.pop(0) == "Jobs that ran together failed."
    logger.error("Error in rule", extra=job(rule_msg=message, log=[str(log), "slurm/1.log"]))
    assert told[0].startswith("photos: 3 images cannot be read:\n  a.png\nStopped in the rule")
    assert "slurm/1.log" in told[0]


def test_a_job_that_slurm_ended_is_told_with_what_to_ask_for(said, tmp_path):
    logger, _, told = said
    log = tmp_path / "a.log"
    log.write_text("failed: of another run\n")
    logger.info("begins", extra=job(event="job_info", log=[str(log)]))
    message = "SLURM-job '4' failed, SLURM status is: 'OUT_OF_MEMORY'. Detailed reason unavailable"
    logger.error("Error in rule", extra=job(rule_msg=message, log=[str(log)]))
    assert told[-1].startswith("A job ended without a word of its own. Slurm's word is OUT_OF_MEM")
    assert "--set-resources train:mem_mb=MB" in told[-1]
    logger.error("Error in rule", extra=job(rule_msg="exit status 9", log=[str(log)]))
    assert told[-1].startswith("A job ended without a word of its own. exit status 9\nStopped in")


def test_nothing_is_said_after_silence(said):
    logger, console, told = said
    console.silence()
    logger.error("Error in rule", extra=job())
    fail(logger, UserError("photos"))
    assert told == []


def test_a_jobs_mistake_is_in_log_and_terminal_once(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended, reporter(tmp_path / "a.log", "tyol") as report:
        report("1 of 2")
        raise UserError("photos: no images")
    assert ended.value.code == 1
    assert (tmp_path / "a.log").read_text() == "1 of 2\nfailed: photos: no images\n"
    assert capsys.readouterr().err == "tyol: 1 of 2\ntyol: failed: photos: no images\n"


def test_a_defect_shows_its_traceback_and_where_to_report_it(tmp_path, capsys):
    log = tmp_path / "a.log"
    with pytest.raises(SystemExit) as ended, reporter(log, "tyol"):
        {}["absent"]
    assert ended.value.code == 1
    for text in (log.read_text(), capsys.readouterr().err):
        assert text.count("Traceback") == 1
        assert f"please report it with the file {log}" in text
    assert failure_in(log).startswith("KeyError: 'absent'\n")


def test_an_interrupted_job_is_silent(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended, reporter(tmp_path / "a.log", "tyol"):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr().err == ""
