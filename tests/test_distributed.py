"""Who is which of the processes of a training, and what a training that diverges leaves."""

import subprocess

import pytest
import torch
from test_pretrain import NAMES, job, silent, trained
from tiny_sets import make_set

from simtailor.errors import UserError
from simtailor.pretrain.distributed import Process, launcher, own_gpu, training_process
from simtailor.pretrain.learner import Learner
from simtailor.pretrain.settings import Pretrain
from simtailor.pretrain.stage import run

TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
STEP = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "1",
        "SLURM_STEP_NUM_NODES": "2"}  # fmt: skip


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Two tiny sets."""
    folder = tmp_path_factory.mktemp("sets")
    return [make_set(folder / n, seed=i, parameters=n) for i, n in enumerate(NAMES[:2])]


def test_processes_of_torchrun_and_of_a_slurm_step():
    assert Process.from_environment(TORCHRUN) == Process(5, 8, 1, 4)
    assert Process.from_environment(STEP) == Process(3, 4, 1, 2)
    uneven = STEP | {"SLURM_LOCALID": "2"}  # three tasks on one machine, one on the other
    assert Process.from_environment(uneven) == Process(3, 4, 2, 3)
    # In the batch script of a job for four tasks there is only one process.
    assert Process.from_environment({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}) == Process()
    parts = [list(range(8))[Process(rank, 4).part(8)] for rank in range(4)]
    assert parts == [[0, 1], [2, 3], [4, 5], [6, 7]]


@pytest.mark.parametrize(
    "environment", [{"WORLD_SIZE": "1"}, {"WORLD_SIZE": "1", "RANK": "0"}, {"RANK": "0"}, {}]
)
def test_one_process_needs_no_further_variables(environment):
    assert Process.from_environment(environment) == Process()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"WORLD_SIZE": "4"}, "4 processes.*RANK, LOCAL_RANK, LOCAL_WORLD_SIZE not set"),
        ({"WORLD_SIZE": "4", "RANK": "1"}, "LOCAL_RANK, LOCAL_WORLD_SIZE not set.*torchrun"),
        ({"WORLD_SIZE": "four"}, "WORLD_SIZE='four' not a number"),
        ({"WORLD_SIZE": ""}, "WORLD_SIZE='' not a number.*unset WORLD_SIZE"),
        (TORCHRUN | {"LOCAL_RANK": "-1"}, "LOCAL_RANK='-1' not a number"),
        (TORCHRUN | {"RANK": "8"}, "process 8 of 8"),
        (TORCHRUN | {"LOCAL_RANK": "4"}, "4 of 4 on its machine"),
        ({"SLURM_STEP_NUM_TASKS": "2"}, "SLURM_PROCID, SLURM_LOCALID, SLURM_STEP_NUM_NODES not"),
    ],
)
def test_half_an_environment_is_explained(environment, words):
    with pytest.raises(UserError, match=words):
        Process.from_environment(environment)


@pytest.mark.parametrize("scontrol", [OSError, subprocess.CalledProcessError(1, "scontrol")])
def test_no_place_to_meet_is_explained(monkeypatch, scontrol):
    def fail(*arguments, **more):
        raise scontrol

    monkeypatch.setattr(subprocess, "run", fail)
    slurm = STEP | {"SLURM_STEP_NODELIST": "n[1-2]", "SLURM_JOB_ID": "7"}
    for environment in (TORCHRUN, TORCHRUN | {"MASTER_ADDR": "here"}, slurm):
        with (
            pytest.raises(UserError, match="MASTER_ADDR and MASTER_PORT are not both set"),
            training_process("cpu", environment),
        ):
            pass


def test_the_processes_of_several_machines_are_started_by_slurm():
    settings = Pretrain(processes=4, nodes=2)
    with pytest.raises(UserError, match=r"pretrain\.nodes.*: 2, but this is no job of Slurm"):
        launcher(settings, 8, {})
    command = launcher(settings, 8, {"SLURM_JOB_ID": "7"})
    assert command[0] == "srun"
    assert {"--nodes=2", "--cpus-per-task=4", "--nnodes=2", "--nproc-per-node=2"} <= set(command)
    assert launcher(Pretrain(processes=4), 8, {})[-2:] == ["--nproc-per-node=4", "--standalone"]
    with pytest.raises(ValueError, match="must be a multiple of nodes"):
        Pretrain(processes=3, nodes=2)


def test_two_processes_never_share_a_gpu():
    process = Process(1, 2, 1, 2)
    assert own_gpu(process, 2, {}) == 1
    assert own_gpu(process, 1, {"SLURM_PROCID": "1"}) == 0  # its own, by --gpus-per-task
    for visible in (0, 1):
        with pytest.raises(UserError, match=f"2 processes on this machine, but {visible} GPUs"):
            own_gpu(process, visible, {})
    with pytest.raises(UserError, match="ntasks-per-node"):
        own_gpu(Process(3, 4, 3, 4), 2, {"SLURM_PROCID": "3"})


def test_a_job_of_one_process_passes_over_variables_left_behind(tmp_path, sets, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")  # would wait for three others
    run(job(tmp_path, sets[0], epochs=2), silent)
    assert (tmp_path / "backbones" / NAMES[0] / "model.safetensors").exists()


def test_a_training_that_diverges_names_set_step_and_rate_and_writes_nothing(tmp_path, sets):
    made = job(tmp_path, sets[0], learning_rate=1e30, warmup_epochs=0)
    expected = rf"{sets[0]} diverged: at step [23], with a learning rate of .*e\+(29|30)"
    with pytest.raises(UserError, match=expected):
        run(made, silent)
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not (tmp_path / "checkpoint.pt").exists()


def test_the_step_that_diverged_is_the_one_named(sets, monkeypatch):
    whole = Learner.step

    def step(self, update, images, targets):
        loss, right = whole(self, update, images, targets)
        return loss + (torch.inf if update == 1 else 0.0), right

    monkeypatch.setattr(Learner, "step", step)
    with pytest.raises(UserError, match=f"{sets[1]} diverged: at step 2,"):
        trained(sets[1])


def test_weights_that_the_last_step_spoils_are_not_written(tmp_path, sets, monkeypatch):
    whole = Learner.weights

    def spoilt(self):
        return {n: torch.full_like(v, torch.nan) if v.is_floating_point() else v
                for n, v in whole(self).items()}  # fmt: skip

    monkeypatch.setattr(Learner, "weights", spoilt)
    with pytest.raises(UserError, match=f"{sets[0]} diverged: at step"):
        run(job(tmp_path, sets[0], epochs=2), silent)
    assert not list(tmp_path.rglob("*.safetensors"))
