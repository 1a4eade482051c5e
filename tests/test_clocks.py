"""A result is not refused because the clock of its machine is behind."""

import os
import time

import pytest

from simtailor.clocks import wait_for_times


@pytest.mark.parametrize("ahead", [-5.0, 1.5])
def test_a_machine_whose_clock_is_behind_waits_and_says_so(tmp_path, ahead):
    simulated, output, told = tmp_path / "sets/a", tmp_path / "backbones/a", []
    for folder in (simulated, output):
        folder.mkdir(parents=True)
    stamp = simulated / ".snakemake_timestamp"
    stamp.touch()
    os.utime(stamp, (time.time() + ahead,) * 2)
    os.utime(simulated, (time.time() + 999,) * 2)  # a folder's time is that of its stamp
    wait_for_times([simulated, tmp_path / "absent"], output, told.append)
    (output / "weights").touch()
    assert (output / "weights").stat().st_mtime >= stamp.stat().st_mtime
    assert len(told) == (ahead > 0)
    assert [path.name for path in output.parent.iterdir()] == ["a"]
