"""Output files are whole or absent."""

import errno
import fcntl
import hashlib
import os
import subprocess
import sys

import pytest

from simtailor.errors import UserError
from simtailor.files import (
    checksum,
    files_state,
    only_one,
    read_json,
    staged,
    staged_folder,
    write_json,
)


def names(folder) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_file_appears_only_when_the_block_ends(tmp_path):
    path = tmp_path / "deep" / "er" / "result.csv"
    with staged(path) as staging:
        staging.write_text("a,b\n")
        assert not path.exists()
        assert staging.parent == path.parent  # a rename within one file system is atomic
        assert staging.suffix == ".csv"
    assert path.read_text() == "a,b\n"
    assert names(path.parent) == ["result.csv"]


def test_failure_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), staged(tmp_path / "result.csv") as staging:
        staging.write_text("half")
        raise KeyError
    assert names(tmp_path) == []


def test_failure_keeps_the_old_file(tmp_path):
    path = tmp_path / "result.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), staged(path) as staging:
        staging.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert names(tmp_path) == ["result.csv"]


def test_block_that_writes_nothing_fails_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "result.csv"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), staged(path):
        pass
    assert path.read_text() == "old"


def test_success_replaces_the_old_file_whole(tmp_path):
    path = tmp_path / "result.csv"
    path.write_text("a long old file")
    with open(path) as reader, staged(path) as staging:
        staging.write_text("new")
        assert path.read_text() == "a long old file"
        before = path.stat().st_ino
        # Who has the old file open goes on reading the old file.
        assert reader.read() == "a long old file"
    assert path.read_text() == "new"
    assert path.stat().st_ino != before


def test_folder_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "results"
    with staged_folder(path) as staging:
        (staging / "old").write_text("old")
        assert not path.exists()
    left_over = path.with_name(".results.staging-1")  # of a run that was killed
    left_over.mkdir()
    with pytest.raises(KeyboardInterrupt), staged_folder(path) as staging:
        (staging / "new").write_text("half")
        raise KeyboardInterrupt
    assert names(path) == ["old"]
    with staged_folder(path) as staging:
        (staging / "new").write_text("new")
    assert names(path) == ["new"]
    assert names(path.parent) == ["results"]


def test_json_comes_back_and_is_never_invalid(tmp_path):
    path = tmp_path / "values.json"
    value = {"a": [1, 2.5, None, "ü"], "b": {"c": True}}
    write_json(path, value)
    assert read_json(path) == value
    assert path.read_bytes().endswith(b"}\n")
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == value
    assert names(tmp_path) == ["values.json"]


def test_checksum_is_sha256_of_the_bytes(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "data").write_bytes(content)
    assert checksum(tmp_path / "data") == hashlib.sha256(content).hexdigest()


def test_the_state_of_files_changes_with_name_size_time_and_presence(tmp_path):
    path, other = tmp_path / "model", tmp_path / "other"
    states = [files_state([path])]
    path.write_text("a")
    os.utime(path, ns=(1, 1))
    states += [files_state([path]), files_state([path, other])]
    os.utime(path, ns=(1, 2))
    states.append(files_state([path]))
    path.write_text("ab")
    os.utime(path, ns=(1, 2))
    states += [files_state([path]), files_state([path.rename(other)])]
    assert len(set(states)) == 6
    assert files_state([other]) == states[-1]


@pytest.mark.parametrize(("umask", "mode"), [("022", 0o644), ("002", 0o664), ("077", 0o600)])
def test_results_are_readable_by_whom_the_umask_allows(tmp_path, umask, mode):
    # In a process of its own, as the umask belongs to the whole process.
    script = f"""
import os, sys
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file
from simtailor.files import staged, staged_folder
os.umask(0o{umask})
folder = Path(sys.argv[1])
with staged(folder / "weights.safetensors") as staging:
    save_file({{"a": np.zeros(2)}}, staging)
with staged_folder(folder / "made") as staging:
    save_file({{"a": np.zeros(2)}}, staging / "generator.safetensors")
    np.savez(staging / "arrays.npz", a=np.zeros(2))
    (staging / "deep").mkdir()
    (staging / "deep/note.txt").write_text("x")
"""
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert {path.stat().st_mode & 0o777 for path in files} == {mode}


def test_a_lock_is_held_by_one_process_and_says_by_which(tmp_path):
    lock, told = tmp_path / "deep/training.lock", []
    with only_one(lock, "busy", told.append):
        expected = rf"busy \(process {os.getpid()} on .* has .*training.lock\)"
        with pytest.raises(UserError, match=expected), only_one(lock, "busy", told.append):
            pass
    with only_one(lock, "busy", told.append):
        assert not told


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_goes_on_and_says_so(tmp_path, monkeypatch, number):
    def refuse(file, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    told, ran = [], False
    with only_one(tmp_path / "training.lock", "busy", told.append):
        ran = True
    assert ran
    assert "has no locks" in told[0]
    assert str(tmp_path) in told[0]
