"""A full disk ends a job with one paragraph and nothing half written."""

import subprocess

import pytest
import torch

from simtailor.errors import UserError
from simtailor.files import staged, staged_folder
from simtailor.reporting import failure_in, reporter


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def with_torch(path):
    torch.save(torch.zeros(10**6), path)  # whose error has no number


def with_python(path):
    path.write_bytes(bytes(10**6))


@pytest.mark.parametrize("write", [with_torch, with_python])
def test_a_file_that_finds_no_space_is_named_and_leaves_none_behind(small_disk, write):
    path = small_disk / "checkpoint.pt"
    path.write_text("former")
    for target, place in ((path, staged), (small_disk / "set", staged_folder)):
        with pytest.raises(UserError) as told, place(target) as staging:
            write(staging if place is staged else staging / "shard.tar")
        assert str(told.value).startswith(f"{target}")
        assert "its disk is full (0.0 MB of 0.00 GB are free)" in str(told.value)
    assert [p.name for p in small_disk.iterdir()] == ["checkpoint.pt"]
    assert path.read_text() == "former"


def test_another_error_stays_what_it_is(small_disk):
    with pytest.raises(KeyError, match="absent"), staged(small_disk / "a"):
        raise KeyError("absent")


def test_a_job_tells_of_the_full_disk_though_its_log_is_on_it(small_disk, capsys):
    ballast, log = small_disk / "ballast", small_disk / "a.log"
    with pytest.raises(SystemExit) as ended, reporter(log, "set") as report:
        with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        report("1 of 2 shards")
        raise RuntimeError("write failed")
    assert ended.value.code == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[1].startswith(f"set: failed: {log} cannot be written: its disk is full")
    assert failure_in(log) is None
