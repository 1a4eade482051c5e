"""The launcher and Snakemake in a copy of the project: what a user reads when things go wrong."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from conftest import SMALL, Project
from PIL import Image

pytestmark = pytest.mark.slow
RESULT = "results/metasim/tyol_1attr"
STOPPED = "Stopped. What is finished is kept: the same command goes on from there."


@pytest.fixture(scope="module")
def home(tmp_path_factory, kernel_cache):
    """A copy of the project that no test changes."""
    project = Project(tmp_path_factory.mktemp("launcher") / "project", kernel_cache)
    project.configure({"tyol_1attr": {**SMALL, "target": {"folder": "photos"}}})
    return project


def launch(project, *arguments, limit=150):
    """Return status and output of ./run."""
    run = project.launch(*arguments)
    output, _ = run.communicate(timeout=limit)
    return run.returncode, output


def wait_for(condition, limit=120):
    until = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reward_bd"], ["no rule makes 'reward_bd'. Did you mean reward_db?"]),
        (
            ["tyol_1attr", "emojy", f"{RESULT}/images.png", "sets/9_9"],
            [
                f"Did you mean {RESULT},",
                "tasks/emoji?",
                f"it is a part of {RESULT}, so ask",
                "9_9'",
            ],
        ),
        (["results/metasim/tyol_1atr/"], ["no experiment 'tyol_1atr'", "'tyol_1attr'?"]),
        (["--configfile", "small.yaml", "--", RESULT], ["photos: target.folder: no such folder"]),
        (["--config", "sed=3"], ["command line (--config): sed: unknown key", "'seed'?"]),
    ],
    ids=["rule", "several", "experiment", "folder", "key"],
)
def test_a_mistake_while_planning_is_one_paragraph(home, arguments, words):
    status, output = launch(home, "snakemake", "-n", *arguments)
    assert status == 1, output
    assert len(output.splitlines()) <= 6, output
    for word in words:
        assert output.count(word) == 1, output
    assert "Traceback" not in output


def test_the_launcher_explains_itself_and_wrong_command_lines(home):
    status, output = launch(home)
    assert (status, output.count("./run snakemake")) == (2, 4)
    assert launch(home, "help") == launch(home, "--help") == (0, output)
    assert 6 <= len(output.splitlines()) <= 12
    status, output = launch(home, "nosuchcommand")
    assert (status, len(output.splitlines())) == (127, 1)
    assert "Did you mean 'snakemake'?" in launch(home, "sankemake", "-n")[1]
    for words in (["--cores", "2", "tasks"], [RESULT], ["-x"]):
        status, output = launch(home, *words)
        assert (status, len(output.splitlines())) == (127, 1)
        assert f"Did you mean './run snakemake {' '.join(words)}'?" in output
    status, output = launch(home, "snakemake", "--configfile", "small.yaml", "reward_db")
    assert status == 2
    assert output.endswith("./run snakemake --configfile small.yaml -- reward_db\n")
    assert len(output.splitlines()) == 1


def fake(folder: Path, name: str, script: str) -> dict:
    """Return an environment in which a program is another."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_an_environment_that_cannot_be_made_is_explained(home, tmp_path):
    def install(**changes):
        command = ["bash", "./run", "true"]
        environment = {**environ, "SIMTAILOR_VENV": str(tmp_path / "venv"), **changes}
        return subprocess.run(
            command, cwd=home.folder, env=environment, capture_output=True, text=True, check=False
        )

    environ = dict(os.environ)
    absent = install(SIMTAILOR_PYTHON="/no/python")
    assert absent.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13, and /no/python is not one" in absent.stderr
    no_pip = 'case "$*" in *venv*) echo "No module named ensurepip" >&2; exit 1;; esac'
    environ = fake(tmp_path / "bin", "python3.11", no_pip)
    bare = install()
    assert bare.returncode == 1
    assert "No module named ensurepip\nIf it lacks ensurepip: apt install" in bare.stderr
    venv = tmp_path / "venv/bin"
    venv.mkdir(parents=True)
    no_network = 'case "$*" in *install*) echo "ERROR: No matching distribution" >&2; exit 1;; esac'
    fake(venv, "python", no_network)
    offline = install()
    assert offline.returncode == 1
    assert "ERROR: No matching distribution\nThe packages could not be installed" in offline.stderr


def test_without_file_locks_the_launcher_goes_on_and_says_so_once(home, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", fake(tmp_path / "bin", "flock", "exit 71")["PATH"])
    status, output = launch(home, "snakemake", "--version")
    assert status == 0
    assert output.count("No file can be locked here") == 1


def test_a_jobs_mistake_is_told_once_and_every_failed_job_has_its_line(project):
    (project.folder / "photos").mkdir()
    for i in range(24):
        Image.new("RGB", (40, 40), (i, 0, 0)).save(project.folder / f"photos/{i:02d}.png")
    (project.folder / "photos/05.png").write_bytes(b"not an image")
    small = {**SMALL, "target": {"folder": "photos"}}
    project.configure({"tyol_1attr": small, "tyol_2attr": small})
    targets = [f"work/metasim/{name}/target.npz" for name in ("tyol_1attr", "tyol_2attr")]
    status, output = launch(
        project, *project.command(*targets, options=("--keep-going",)), limit=300
    )
    assert status == 1
    for name in ("tyol_1attr", "tyol_2attr"):
        assert output.count(f"{name}: failed: photos: target.folder: 1 of 24 images") == 1, output
        assert output.count(f"See logs/metasim/{name}/target.log.") == 1
        log = (project.folder / f"logs/metasim/{name}/target.log").read_text()
        assert "failed: photos: target.folder: 1 of 24 images" in log
    assert output.count("What is finished is kept") == 1
    for word in ("Traceback", "RuleException", "WorkflowError", "Exiting because"):
        assert word not in output
    assert len(list((project.folder / "photos").iterdir())) == 24  # nothing is lost


def scripts_below(run):
    """Return the processes of jobs."""
    try:
        below = psutil.Process(run.pid).children(recursive=True)
        return [p for p in below if any(".snakemake/scripts" in word for word in p.cmdline())]
    except psutil.Error:
        return []


def test_a_second_run_learns_of_the_first_and_ctrl_c_ends_it(project):
    # So long that it is at work until it is stopped, whatever else the machine does.
    training = SMALL["training"] | {"epochs": 2000, "patience": 2000}
    project.configure({"tyol_1attr": {**SMALL, "training": training}})
    first = project.launch(*project.command(RESULT))
    wait_for(lambda: scripts_below(first))
    status, output = launch(project, *project.command(RESULT))
    assert status == 1
    assert f"in this folder: process {first.pid}, since 20" in output
    assert "--unlock" not in output
    jobs = scripts_below(first)
    os.killpg(first.pid, signal.SIGINT)  # as the terminal does
    output, _ = first.communicate(timeout=240)
    assert first.returncode == 130
    assert output.count(STOPPED) == 1
    assert output.endswith(f"{STOPPED}\n")
    assert "Traceback" not in output
    psutil.wait_procs(jobs, timeout=5)
    assert not any(job.is_running() for job in jobs)
    assert not list((project.folder / ".snakemake/locks").glob("*"))


def test_sigterm_ends_a_run_while_it_is_planned(project):
    project.configure({"tyol_1attr": SMALL})
    run = project.launch(*project.command(RESULT))
    wait_for(lambda: psutil.Process(run.pid).children())
    run.terminate()
    output, _ = run.communicate(timeout=60)
    assert run.returncode in (130, -signal.SIGTERM)  # the latter before it hears signals
    assert "Traceback" not in output
