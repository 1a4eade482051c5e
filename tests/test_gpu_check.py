"""The check for a GPU runs here at tiny sizes, so that its first real run fails on no typo."""

import json
import math
import sys
import time
from pathlib import Path

import pytest
from studio import small_catalogue

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import gpu_check  # noqa: E402
from gpu_checks.bench import Bench  # noqa: E402
from gpu_checks.running import (  # noqa: E402
    RATES,
    ROWS,
    TABLE,
    Check,
    figures_of,
    run,
)

from simtailor.plan import Rates  # noqa: E402


def rows_in(folder):
    return [json.loads(line) for line in (folder / ROWS).read_text().splitlines()]


@pytest.fixture
def small(monkeypatch):
    """The check with few assets, in the project's folder."""
    monkeypatch.setattr(Bench, "catalogue", property(lambda bench: small_catalogue()))
    monkeypatch.chdir(ROOT)


@pytest.mark.slow
def test_every_check_runs_and_finds_finite_figures(small, tmp_path, kernel_cache):
    options = ["--device", "cpu", "--tiny", "--cache", str(kernel_cache), "--seconds", "1e9"]
    reference = tmp_path / "reference.npz"
    assert gpu_check.main(["--make-reference", str(reference), *options]) == 0
    status = gpu_check.main([str(tmp_path), "--reference", str(reference), *options])
    rows = rows_in(tmp_path)
    assert [row["check"] for row in rows] == [check.name for check in gpu_check.CHECKS]
    for row in rows:
        assert row["status"] == "right", row
        numbers = [v for _, v in figures_of(row["figures"]) if not isinstance(v, str | bool)]
        assert numbers, row
        assert all(math.isfinite(number) for number in numbers), row
    assert status == 0
    rates = Rates(tmp_path / RATES)  # as `plan` reads it
    for stage in ("render", "pretrain", "evaluate"):
        assert 0 < rates.rate(stage, "cpu", 0.01).seconds < math.inf
    table = (tmp_path / TABLE).read_text()
    assert "| config/gpu.yaml | precision: " in table


def bench(tmp_path):
    return Bench("cpu", 1, str(tmp_path), tmp_path, tiny=True)


def test_what_fails_or_takes_too_long_keeps_nothing_from_the_next(tmp_path):
    seen = []

    def fails(bench):
        raise ValueError("no such kernel")

    def sleeps(bench):
        time.sleep(60)

    def differs(bench):
        seen.extend(rows_in(tmp_path))  # what came before is on disk
        bench.expect(False, "the pictures are others")
        return {"bytes equal": 0.5}

    checks = [
        Check("fails", fails, 1), Check("differs", differs, 1),
        Check("too long", lambda bench: {}, 1000), Check("right", lambda bench: {"one": 1}, 1),
        Check("sleeps", sleeps, 1), Check("late", lambda bench: {}, 1),
    ]  # fmt: skip
    assert not run(checks, bench(tmp_path), tmp_path, 6.0, "- Machine: none")
    rows = {row["check"]: row for row in rows_in(tmp_path)}
    assert [row["status"] for row in rows.values()] == [
        "failed", "wrong", "left out", "right", "failed", "left out"
    ]  # fmt: skip
    assert [row["check"] for row in seen] == ["fails"]
    assert rows["fails"]["error"][-1] == "ValueError: no such kernel"
    assert rows["differs"]["problems"] == ["the pictures are others"]
    assert "stopped after" in rows["sleeps"]["error"][-1]
    table = (tmp_path / TABLE).read_text()
    assert "| ValueError: no such kernel |" in table
    assert "| bytes equal | 0.5 |" in table


def test_a_check_that_is_not_there_is_named(capsys):
    with pytest.raises(SystemExit):
        gpu_check.main(["--only", "picture"])
    assert "no check picture; there are: environment, " in capsys.readouterr().err
