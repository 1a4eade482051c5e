"""What `check` says of a configuration before anything is computed, and of the machine for it."""

import logging
import shutil
from types import SimpleNamespace

import pytest
from conftest import ROOT
from snakemake_executor_plugin_slurm.partitions import get_best_partition, read_partition_file

from simtailor import devices
from simtailor.config import Configuration, load_configuration
from simtailor.errors import UserError
from simtailor.preflight import findings
from simtailor.preflight.asked import Asked, Rule, Run
from simtailor.preflight.checks import cluster, disk, experiments, gpu, machine, packages
from simtailor.preflight.findings import State, check, describe, run_checks, summary_of

SINFO = """cpu*|up|64|250000|(null)
cpu*|up|48+|192000|(null)
gpu|up|32|120000+|gpu:a100:4(S:0-1)
old|down|8|16000|(null)
"""
ON_SLURM = Run("slurm", None)


def asked(run=None, **values):
    """Return what the checks look at, for keys of the configuration."""
    sets = ("0_0_0_0_0_1_0_0_0", "1_0_0_0_0_1_0_0_0")
    return Asked(Configuration.model_validate(values), (), sets, (), (), run or Run())


def states(found):
    return [finding.state for finding in found]


def test_a_check_that_fails_ends_no_other_and_every_line_has_its_fix(monkeypatch):
    monkeypatch.setattr(findings, "_CHECKS", {})

    @check("sound")
    def sound(_):
        yield findings.ok("it is there")
        yield findings.missing("it is not there", "Get one.")

    @check("broken")
    def broken(_):
        raise KeyError("nothing")

    found = run_checks(asked())
    assert states(found) == [State.UNKNOWN, State.OK, State.MISSING]
    lines = describe(found).splitlines()
    assert [line.split()[0] for line in lines] == ["cannot", "ok", "missing", "Get"]
    assert "the check failed: KeyError" in lines[0]
    assert summary_of(found) == "3 checked: 1 missing, 1 cannot be told"


@pytest.mark.parametrize(
    ("rules", "expected", "words"),
    [
        ([Rule("a", 8, 4000, 0), Rule("b", 32, 9000, 2, "gpu")], ["ok", "ok"], "'gpu' has"),
        ([Rule("a", 8, 4000, 1)], ["missing"], "--set-resources a:slurm_partition=NAME"),
        ([Rule("a", 80, 4000, 0)], ["missing"], "ask for up to 80 cores"),
        ([Rule("a", 8, 300_000, 0)], ["missing"], "--set-resources a:mem_mb=250000"),
        ([Rule("a", 8, 4000, 0, "gpus")], ["missing"], "Did you mean 'gpu'?"),
        ([Rule("a", 8, 4000, 0, "old")], ["missing"], "'old' is not up"),
    ],
)
def test_rules_are_compared_with_their_partition(rules, expected, words):
    found = list(cluster.check_rules(rules, cluster.read_partitions(SINFO)))
    assert states(found) == expected
    assert words in describe(found)


EXAMPLE = str(ROOT / "profiles/slurm/partitions.yaml")


def test_the_example_of_partitions_places_jobs_as_the_plugin_does(tmp_path):
    rules = [Rule("train", 8, 9000, 1), Rule("assemble", 1, 2000, 0), Rule("own", 1, 1, 0, "fast")]
    names = [rule.partition for rule in cluster.placed(rules, EXAMPLE)]
    assert names == ["gpu", "cpu", "fast"]
    known = read_partition_file(EXAMPLE)
    for rule, name in zip(rules[:2], names, strict=False):
        asks = {"mem_mb": rule.memory_mb, "gpu": rule.gpus}
        job = SimpleNamespace(name=rule.name, threads=rule.cores, resources=asks)
        assert get_best_partition(known, job, logging.getLogger(__name__)) == name
    with pytest.raises(UserError, match="no partition takes jobs of huge"):
        cluster.placed([Rule("huge", 1, 10**9, 0)], EXAMPLE)
    (tmp_path / "wrong.yaml").write_text("partitions: cpu\n")
    with pytest.raises(UserError, match="expected 'partitions:' with limits"):
        cluster.placed(rules, str(tmp_path / "wrong.yaml"))


def test_a_cluster_without_its_commands_or_that_does_not_answer_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = cluster.cluster(asked(ON_SLURM))
    assert found.state == State.MISSING and found.found.startswith("sbatch, squeue")
    for name in cluster.COMMANDS:
        (tmp_path / name).write_text(
            "#!/bin/sh\necho 'Unable to contact slurm controller' >&2\nexit 1"
        )
        (tmp_path / name).chmod(0o755)
    (found,) = cluster.cluster(asked(ON_SLURM))
    assert found.state == State.MISSING and "Unable to contact" in found.found
    assert list(cluster.cluster(asked())) == []  # jobs run here
    assert states(cluster.cluster(asked(Run("kubernetes")))) == [State.UNKNOWN]


def test_a_gpu_is_looked_for_where_jobs_run(monkeypatch):
    assert states(gpu.gpu(asked())) == [State.OK]
    assert states(gpu.gpu(asked(ON_SLURM, device="cuda"))) == [State.UNKNOWN]
    monkeypatch.setattr(devices, "gpu_count", lambda: 0)
    (found,) = gpu.gpu(asked(device="cuda"))
    assert found.state == State.MISSING and "no GPU is seen here" in found.found
    # One that the driver shows, and neither torch nor Warp can use.
    monkeypatch.setattr(devices, "gpu_count", lambda: 1)
    monkeypatch.setattr(gpu, "gpu_count", lambda: 1)
    monkeypatch.setattr(gpu, "_ask_torch", lambda device: devices.check_device("cuda:7"))
    found = list(gpu.gpu(asked(device="cuda", task2sim={"pretrain": {"processes": 2}})))
    said = describe(found)
    assert found[0].state == State.MISSING and "processes: 2" in found[0].found
    assert "torch: configuration key 'device'" in said
    assert "Warp" in said


def test_disks_are_compared_with_what_is_still_to_make(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    wanted = asked(results=str(tmp_path / "results"), work=str(tmp_path / "work"))
    assert states(disk.disk(wanted)) == [State.OK]
    whole = disk.gigabytes_to_make(wanted, "results")
    for part in ("sets", "backbones"):
        (tmp_path / "results/task2sim" / part / wanted.sets[0]).mkdir(parents=True)
    assert disk.gigabytes_to_make(wanted, "results") == pytest.approx(whole * 3 / 4)  # two repeats
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1e5))
    (found,) = disk.disk(wanted)
    assert found.state == State.MISSING and "0.0 GB are free" in found.found
    assert "larger disk" in found.fix


def test_an_experiment_that_cannot_run_is_named_and_the_others_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    given = {"mine": {"grammar": "config/grammars/tyol_1attr.json",
                      "target": {"folder": str(tmp_path / "photos")}}}  # fmt: skip
    values = {"metasim": {"experiments": given}}
    wanted = Asked(load_configuration(values, []))
    found = list(experiments.experiments(wanted))
    assert sorted(states(found)) == ["missing", "ok"]
    text = describe(found)
    assert "mine: " in text and "photos: target.folder: no such folder" in text
    assert f"{len(list(ROOT.glob('config/experiments/*.yaml')))} can run" in text


def test_tasks_and_packages_that_are_not_there_are_listed(tmp_path):
    extra = {"task2sim": {"tasks": {"extra": {"new": {"folder": str(tmp_path / "absent")}}}}}
    values = {**extra, "resources": str(tmp_path), "work": str(tmp_path / "work")}
    wanted = Asked(
        Configuration.model_validate(values), tasks=("new", "emoji"), packages=("mnist", "mlbench")
    )
    found = list(experiments.tasks(wanted))
    assert states(found) == [State.MISSING, State.OK]
    assert "task 'new'" in found[0].found and "absent: no such folder" in found[0].found
    (tmp_path / "packages/mnist").mkdir(parents=True)
    (found,) = packages.packages(wanted)
    assert found.state == State.UNKNOWN and "1 of 2" in found.found and "mlbench" in found.fix
    (tmp_path / "packages/mlbench").mkdir()
    assert states(packages.packages(wanted)) == [State.OK]


def test_cores_and_memory_are_those_of_this_machine():
    many = Run(cores=10**6, rules=(Rule("train", 1, 500, 0),))
    assert states(machine.cores(asked(many))) == [State.MISSING]
    assert states(machine.cores(asked(Run(cores=1)))) == [State.OK]
    assert states(machine.cores(asked(ON_SLURM))) == []
    for megabytes, state in ((1, State.OK), (10**9, State.MISSING)):
        run = Run(cores=1, rules=(Rule("train", 1, megabytes, 0), Rule("unknown")))
        assert states(machine.memory(asked(run))) == [state]


@pytest.mark.slow
def test_check_prints_its_lines_and_ends_with_1_where_something_is_missing(project):
    project.configure({}, device="cuda")
    run = project.snakemake("check")
    assert run.returncode == 1
    lines = run.stdout.splitlines()
    assert any(line.startswith("missing      gpu ") for line in lines), run.stdout + run.stderr
    assert {line[13:27].strip() for line in lines} >= {"cores", "disk", "experiments", "tasks"}
    assert "check: failed: " in run.stderr and "1 missing" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (project.folder / "results").exists()
