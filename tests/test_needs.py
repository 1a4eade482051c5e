"""What jobs ask for, and what they took beside it."""

import pytest

from simtailor.config import Configuration
from simtailor.needs import machines_of, needs_of
from simtailor.usage import Usage, describe_usage, read_usage

HEAD = "s\th:m:s\tmax_rss\n"


def needs(**study):
    return needs_of(Configuration.model_validate({"task2sim": study}))


def test_time_and_memory_follow_the_configuration():
    usual = needs()
    longer = needs(pretrain={"epochs": 2000}, tasks={"most_images": 100_000})
    assert longer["pretrain"].minutes() > 10 * usual["pretrain"].minutes()
    assert longer["evaluate_set"].memory_mb > usual["evaluate_set"].memory_mb
    assert longer["reward_db"] == usual["reward_db"]
    half = needs(pretrain={"epochs": 2000, "processes": 2})
    assert half["pretrain"].seconds == longer["pretrain"].seconds / 2


def test_only_what_computes_on_the_device_asks_for_gpus():
    values = {"device": "cuda", "task2sim": {"pretrain": {"processes": 4}}}
    gpus = {rule: need.gpus for rule, need in needs_of(Configuration(**values)).items()}
    assert gpus["pretrain"] == 4
    assert {gpus[name] for name in ("simulate_set", "compile_renderer", "metasim_train")} == {1}
    assert {gpus[name] for name in ("prepare_task", "reward_db", "train_controller")} == {0}
    assert not any(need.gpus for need in needs().values())


def test_several_machines_are_asked_for_with_the_same_on_each():
    one, two = ({"processes": 8, "nodes": nodes, "threads": 32} for nodes in (1, 2))
    on_one, on_two = (
        needs_of(Configuration(device="cuda", task2sim={"pretrain": values}))["pretrain"]
        for values in (one, two)
    )
    assert (on_one.gpus, on_two.gpus) == (8, 0)  # Slurm is told how many a machine
    assert on_one.memory_mb > 1.5 * on_two.memory_mb
    asked = machines_of(Configuration(task2sim={"pretrain": two}).task2sim.pretrain, True)
    assert (asked["nodes"], asked["cpus_per_task"], asked["gres"]) == (2, 16, "gpu:4")
    assert machines_of(Configuration(task2sim={"pretrain": one}).task2sim.pretrain, True) == {}


@pytest.mark.parametrize(
    ("usage", "verdict", "advice"),
    [
        ((2000, 1000.0, 60, 20.0), "ok", {}),
        ((2000, 1900.0, 60, 20.0), "too little memory", {"mem_mb": 3000}),
        ((2000, None, 60, 59.0), "too little time", {"runtime": 90}),
        ((64_000, 900.0, 600, 2.0), "far too much memory, far too much time",
         {"mem_mb": 1500, "runtime": 20}),
        ((2000, 10.0, 60, 0.1), "ok", {}),  # little is never far too much
    ],
)  # fmt: skip
def test_usage_far_from_what_was_asked_for_comes_with_what_to_ask_for(usage, verdict, advice):
    used = Usage("train", 1, *usage)
    assert used.verdict == verdict
    assert used.advice == advice
    assert ("set-resources:\n  train:" in describe_usage([used])) == bool(advice)


def test_benchmark_files_are_found_by_their_rule(tmp_path):
    for name, row in {
        "sets/a/set.tsv": "30\t0:00:30\t900\n",
        "sets/b/set.tsv": "90\t0:01:30\t400\n",
        "sets/c/set.tsv": "1\t0:00:01\tNA\n",
        "sets/a/part-0.tsv": "999\t0:16:39\t9999\n",
        "sets/d/set.tsv": "torn",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(HEAD + row)
    rule = {"name": "set", "files": rf"{tmp_path}/sets/\w/set\.tsv", "memory_mb": 9, "minutes": 9}
    assert read_usage([rule, rule | {"files": "none"}], tmp_path) == [
        Usage("set", 3, 9, 900.0, 9, 1.5)
    ]
    assert "make something first" in describe_usage([])
