"""A run on the terminal: a line a job in words, the time left, and what to open."""

import csv
import io
import json
import logging
from pathlib import Path

import pytest

from simtailor.config import Configuration
from simtailor.console.display import UNTOLD, Display
from simtailor.console.durations import (
    SHIPPED,
    mean_durations,
    read_durations,
    size_of_start,
    sizes_of,
    write_durations,
)
from simtailor.console.forecast import ExpectedJob, Forecast
from simtailor.console.opening import what_to_open
from simtailor.console.words import clock, last_words
from simtailor.reporting import ERASE, ONLY_FAILURES, reporter
from simtailor.simulation.names import set_in_words

OWN = "/packages/snakemake"
SET = "1_0_0_0_0_3_0_0_0.seed2"


class Run:
    """A display with a clock of ours, told of a run as Snakemake tells its logger."""

    def __init__(self, folder, terminal=False):
        self.stream, self.time, self.log = io.StringIO(), 0.0, folder / "a.log"
        self.durations = folder / "durations.tsv"
        self.display = Display(self.stream, terminal, OWN, self.durations, lambda: self.time)

    def tell(self, message="", level=logging.INFO, path=f"{OWN}/workflow.py", **facts):
        record = logging.LogRecord("snakemake", level, path, 1, message, None, None)
        vars(record).update(facts)
        self.display.feed(record)

    def begin(self, *jobs):
        self.tell("banner", event="workflow_started")
        self.tell("Using shell: /bin/bash")
        self.tell("Job stats: ...", event="run_info", stats={"train": 1, "total": len(jobs)})
        self.tell(event="simtailor_planned", jobs=jobs, capacity=2, means="2 cores",
                  varied=["backgr", "materials"])  # fmt: skip

    def start(self, number, rule="train", message=f"Train {SET}"):
        self.tell("rule ...", event="job_info", jobid=number, rule_name=rule, rule_msg=message,
                  wildcards={"backbone": SET}, log=[str(self.log)], threads=1)  # fmt: skip

    def end(self, number):
        self.tell("Finished jobid", event="job_finished", job_id=number)

    def lines(self):
        self.display.close()
        return self.stream.getvalue().splitlines()


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_a_run_is_a_line_a_job_in_words_with_progress_and_time_left(run):
    run.begin(ExpectedJob(1, "train", 1, 60.0), ExpectedJob(2, "train", 1, 60.0, (1,)))
    run.tell("Select jobs to execute...")
    run.start(1)
    epochs = "".join(f"epoch {n}/4\n" for n in range(1, 5))
    run.log.write_text(f"{epochs}3 of 4 right\nwarning: numpy: deprecated\n")
    run.time = 30.0
    run.tell("Execute 1 jobs...", event="job_started", jobs=[1])
    run.end(1)
    run.tell("Shutting down, this might take some time.")
    first, second = run.lines()
    assert first.startswith("2 jobs, about 2 min with 2 cores.")
    # The second is expected to be as fast as the first was.
    assert (
        second == "[1/2  50%   30 s left]  Train backgr=1 materials=3, seed 2, 30 s: 3 of 4 right"
    )


def test_what_a_job_notes_of_its_input_is_told(run):
    run.begin(ExpectedJob(1, "train", 1, 60.0))
    run.start(1)
    run.log.write_text("2 images turned\n1 image passed over\n")
    run.end(1)
    assert run.lines()[1].endswith(": 2 images turned; 1 image passed over")


def test_what_jobs_took_is_kept_for_the_next_run(run):
    run.begin(ExpectedJob(1, "train", 1, 60.0, size=2.0))
    run.start(1)
    run.time = 50.0
    run.end(1)
    run.lines()
    assert read_durations(run.durations) == {"train": 25.0}


def test_warnings_errors_and_what_plugins_say_are_told(run):
    run.begin(ExpectedJob(1, "train", 1, 60.0))
    run.tell("experiment 'a' cannot run", logging.WARNING)
    run.tell("Job 1 has been submitted with SLURM jobid 7", path="/packages/plugin/__init__.py")
    run.tell("photos: no such folder", logging.ERROR, event="error")
    run.tell("Removing output files of failed job")
    assert run.lines()[1:] == [
        "experiment 'a' cannot run", "Job 1 has been submitted with SLURM jobid 7",
        "photos: no such folder",
    ]  # fmt: skip


def test_a_job_that_failed_is_at_work_no_more(run):
    run.begin(ExpectedJob(1, "train", 1, 600.0), ExpectedJob(2, "train", 1, 60.0))
    run.start(1)
    run.start(2)
    run.tell("Stopped in the rule train.", logging.ERROR, jobid=1, event=None)
    run.time = 30.0
    run.end(2)
    assert run.lines()[1:] == [
        "Stopped in the rule train.",
        "[1/2  99%    1 s left]  Train backgr=1 materials=3, seed 2, 30 s",
    ]  # fmt: skip


def test_nothing_to_do_is_said_once(run):
    run.tell("banner", event="workflow_started")
    run.tell("Building DAG of jobs...")
    assert run.lines() == [UNTOLD]
    assert run.lines() == [UNTOLD]


def test_commands_that_run_nothing_say_what_they_say(run):
    run.tell("Unlocked working directory.")
    assert run.lines() == ["Unlocked working directory."]


def test_a_failed_plan_is_its_error_alone(run):
    run.tell("Assuming unrestricted shared filesystem usage.")
    run.tell("no rule makes 'x'", logging.ERROR)
    assert run.lines() == ["no rule makes 'x'"]


def test_a_retried_job_is_named(run):
    run.begin(ExpectedJob(1, "train", 1, 60.0))
    run.start(1)
    run.start(1)
    assert run.lines()[1] == "once more: Train backgr=1 materials=3, seed 2"


def test_without_a_terminal_a_long_silence_has_a_sign_of_life(run):
    run.begin(ExpectedJob(1, "train", 1, 600.0))
    run.start(1)
    run.log.write_text("epoch 3/9\n")
    run.time = 100.0
    run.display.look()
    assert len(run.stream.getvalue().splitlines()) == 1
    run.time = 190.0
    run.display.look()
    run.display.look()
    (line,) = run.lines()[1:]
    assert line.startswith("[0/1  32%  7 min left]  now: Train backgr=1")
    assert line.endswith(": epoch 3/9")


def test_on_a_terminal_one_line_moves_and_is_gone_before_others(tmp_path):
    run = Run(tmp_path, terminal=True)
    run.begin(ExpectedJob(1, "train", 1, 60.0))
    run.start(1)
    run.display.look()
    run.end(1)
    run.display.close()
    moving, line = run.stream.getvalue().split("\n")[1].split(ERASE)[-2:]
    assert "now: Train" in moving
    assert line.startswith("[1/1 100%    0 s left]")


def test_the_end_says_what_to_open(run, tmp_path):
    folder = tmp_path / "results/metasim/tyol"
    folder.mkdir(parents=True)
    (folder / "images.png").write_text("")
    (folder / "generator.safetensors").write_text("")
    (folder / "summary.json").write_text(json.dumps({"verdict": "Converged."}))
    (tmp_path / "results/index.html").write_text("")
    files = what_to_open([str(folder), str(tmp_path / "work/x")], tmp_path / "results")
    assert files == [
        "To open:",
        f"{tmp_path}/results/index.html  all results on one page, for a browser",
        f"{folder}/  images.png, summary.json",
        "  Converged.",
    ]
    run.begin(ExpectedJob(1, "train", 1, 60.0))
    run.start(1)
    run.time = 75.0
    run.end(1)
    run.tell(event="simtailor_ended", files=files)
    assert run.lines()[2:] == ["Done: 1 job in 75 s.", *(f"  {line}" for line in files)]


def test_time_left_counts_threads_and_what_waits_for_what():
    jobs = [ExpectedJob(n, "a", 1, 10.0) for n in range(4)]
    assert Forecast(jobs, 2).left(0) == pytest.approx(20)
    assert Forecast([*jobs, ExpectedJob(9, "b", 2, 5.0, (0, 1, 2, 3))], 2).left(0) == 25
    chain = [ExpectedJob(n, "a", 1, 10.0, (n - 1,)) for n in range(4)]
    assert Forecast(chain, 8).left(0) == pytest.approx(40)
    assert Forecast([ExpectedJob(0, "a", 64, 10.0)], 2).left(0) == pytest.approx(10)
    late = Forecast(chain[:1], 1)
    late.begin(0, "a", 1, 0.0)
    assert late.left(1000.0) == pytest.approx(1)  # longer than expected: soon, but not yet


def test_expectations_follow_what_jobs_take():
    jobs = [ExpectedJob(n, "ab"[n // 4], 1, 10.0) for n in range(8)]
    forecast = Forecast(jobs, 1)
    forecast.begin(0, "a", 1, 0.0)
    forecast.end(0, 30.0)
    assert forecast.left(30.0) == pytest.approx(7 * 30)  # the machine is slow, for all rules
    forecast.begin(4, "b", 1, 30.0)
    forecast.end(4, 40.0)
    assert forecast.left(40.0) == pytest.approx(3 * 30 + 3 * 10)  # but each has its own measure
    assert forecast.share(40.0) == pytest.approx(40 / 160)


def test_the_time_left_of_a_real_run_is_right_within_a_factor_after_its_first_third():
    table = Path(__file__).parent / "golden/study_trace.tsv"
    rows = list(csv.DictReader(table.read_text().splitlines()[1:], delimiter="\t"))
    usual = read_durations(SHIPPED)
    jobs, events = [], []
    for row in rows:
        number, size = int(row["number"]), float(row["size"])
        needs = tuple(map(int, filter(None, row["needs"].split(","))))
        jobs.append(ExpectedJob(number, row["rule"], 1, size * usual[row["rule"]], needs, size))
        events += [(float(row["begin"]), "begin", jobs[-1]), (float(row["end"]), "end", jobs[-1])]
    events.sort(key=lambda event: event[0])
    forecast, end = Forecast(jobs, 2), events[-1][0]
    said = {}
    for now, what, job in events:
        said.setdefault(int(10 * now / end), forecast.left(now) / max(end - now, 1))
        if what == "begin":
            forecast.begin(job.number, job.rule, 1, now)
        else:
            forecast.end(job.number, now)
    assert all(1 / 1.5 < said[share] < 1.5 for share in said if 3 <= share < 10)


def test_jobs_are_expected_by_their_size(tmp_path):
    usual = Configuration()
    assert set(sizes_of(usual).values()) == {1.0}
    values = {"task2sim": {"simulation": {"images": 6000, "image_size": 128}}}
    larger = sizes_of(Configuration.model_validate(values))
    assert (larger["simulate_set"], larger["pretrain"], larger["evaluate_set"]) == (8, 2, 1)
    assert [size_of_start(usual, pair) for pair in (0, 5)] == [5, 1]  # 30 + 120 steps, 30
    table = tmp_path / "logs/durations.tsv"
    write_durations(table, mean_durations([("a", 2.0, 30.0), ("a", 1.0, 15.0)]))
    write_durations(table, {"b": 7.0})
    assert read_durations(table) == {"a": 15.0, "b": 7.0}
    table.write_text("neither\n")
    assert read_durations(tmp_path / "absent", table) == {}


def test_sets_and_times_are_put_in_words():
    assert set_in_words("0_0_0_0_0_1_0_0_0", ["backgr"]) == "backgr=0"
    assert set_in_words("0_1_0_0_0_1_0_0_0", ["backgr"]) == "backgr=0 blur=1"
    assert set_in_words("0_0_0_0_0_1_0_0_0", []) == "with nothing varied"
    assert set_in_words("scratch1", ["backgr"]) == "scratch1"
    assert [clock(s) for s in (0.2, 89, 91, 5300, 12000, 4e5)] == [
        "1 s", "89 s", "2 min", "88 min", "3 h 20 min", "5 days",
    ]  # fmt: skip


def test_jobs_say_only_failures_where_the_console_shows_the_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(ONLY_FAILURES, "1")
    log = tmp_path / "a.log"
    with reporter(log, "tyol") as report:
        report("epoch 1/2")
        logging.getLogger("library").warning("is\nold")
    assert capsys.readouterr().err == ""
    assert log.read_text() == "epoch 1/2\nwarning: is old\n"
    assert last_words(log) == "epoch 1/2"
