"""Snakemake looks for jobs when one ends, and no more often: else a long run takes a core."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Counts how often Snakemake plans to look again, of a run with a job after the other.
COUNTING = f"""
import sys
sys.path.insert(0, {str(ROOT / "lib")!r})
from snakemake import cli
from snakemake.scheduling.job_scheduler import JobScheduler

looks, plan = [], JobScheduler._schedule_reevalutation
JobScheduler._schedule_reevalutation = lambda *given: (looks.append(given), plan(*given))
try:
    cli.main(sys.argv[1:])
finally:
    print(f"{{len(looks)}} looks", file=sys.stderr)
"""
SNAKEFILE = """
from simtailor.pacing import choose_jobs_when_some_end

rule all:
    input: expand("{number}.txt", number=range(4))

rule one:
    output: "{number}.txt"
    shell: "touch {output}"

onstart:
    choose_jobs_when_some_end(
        workflow.scheduler, workflow.scheduling_settings.max_jobs_per_timespan
    )
"""


def looks_of(folder, *options):
    """Return how often Snakemake planned to look for jobs again, while four were made."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-c", COUNTING, "--cores", "1", *options]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    assert len(list(folder.glob("*.txt"))) == 4
    return int(run.stderr.splitlines()[-1].split()[0])


@pytest.mark.slow
def test_jobs_are_chosen_when_one_ends_and_not_all_the_time(tmp_path):
    assert looks_of(tmp_path) == 0


@pytest.mark.slow
def test_a_limit_that_a_user_sets_holds(tmp_path):
    assert looks_of(tmp_path, "--max-jobs-per-timespan", "2/1s") > 0
