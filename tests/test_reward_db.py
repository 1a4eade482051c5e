"""The reward database: assembly, what is missing, effects, spreads, figures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from simtailor.errors import UserError
from simtailor.evaluate.effects import main_effects
from simtailor.evaluate.inputs import repeated_sets
from simtailor.evaluate.reward_db import seed_spread, write_reward_database
from simtailor.simulation.parameters import SimulationParameters, enumerate_parameters

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT.parent / "shared/reference/task2sim/reward_db.json"
SETS = [
    str(p)
    for p in enumerate_parameters({"backgr": [0, 1], "materials": [1, 3], "pose_rot": [0, 1]})
]
EFFECTS = {"digits": {"backgr": 6.0, "pose_rot": -2.0}, "faces": {"backgr": 0.0, "pose_rot": 3.0}}


def accuracy(task, name, seed=0):
    """Return a made-up accuracy: known effects and a little that depends on set and seed."""
    parameters = SimulationParameters.parse(name).as_dict()
    noise = np.random.default_rng([seed, SETS.index(name), len(task)]).normal(0, 0.2)
    return 40 + sum(size * parameters[p] for p, size in EFFECTS[task].items()) + float(noise)


@pytest.fixture
def evaluations(tmp_path):
    """Evaluations of 8 sets and 2 repeats, and the baselines."""
    folder = tmp_path / "evaluations"
    folder.mkdir()
    for name in SETS:
        tasks = {task: {"knn": accuracy(task, name), "linear": 50.0} for task in EFFECTS}
        (folder / f"{name}.json").write_text(json.dumps({"parameters": name, "tasks": tasks}))
    for name in repeated_sets(SETS, 2, 2):
        base, seed = name.split(".seed")
        tasks = {task: {"knn": accuracy(task, base, int(seed))} for task in EFFECTS}
        (folder / f"{name}.json").write_text(json.dumps({"parameters": name, "tasks": tasks}))
    baseline = {
        "chance": 10.0, "majority": 12.0, "raw_pixels": {"knn": 31.0},
        "random_backbone": {"knn": [30.0, 34.0]},
    }  # fmt: skip
    content = {"tasks": dict.fromkeys(EFFECTS, baseline)}
    (tmp_path / "baselines.json").write_text(json.dumps(content))
    return folder


def assembled(folder, tasks=tuple(EFFECTS), method="knn"):
    out = folder.parent
    return write_reward_database(
        folder.glob("*.json"), out / "baselines.json", SETS, tasks, method,
        out / "reward_db.json", out / "reward_db",
    )  # fmt: skip


def drawn(path):
    return np.asarray(Image.open(path).convert("RGB")).std() > 10


def test_a_whole_study_is_written_in_the_published_format(evaluations):
    summary = assembled(evaluations)
    assert summary["complete"]
    assert summary["missing"] == {}
    database = json.loads((evaluations.parent / "reward_db.json").read_text())
    assert list(database) == ["digits", "faces"]
    assert list(database["digits"]) == SETS
    assert database["faces"][SETS[3]] == accuracy("faces", SETS[3])
    folder = evaluations.parent / "reward_db"
    assert all(drawn(folder / f"{name}.png") for name in ("heat_map", "comparison", "effects"))
    assert json.loads((folder / "summary.json").read_text()) == summary


def test_sets_are_told_from_seeds_and_baselines(evaluations):
    summary = assembled(evaluations)
    digits = summary["tasks"]["digits"]
    assert digits["random_backbone"] == 32
    assert digits["raw_pixels"] == 31
    assert 0.05 < digits["spread_between_seeds"] < 0.6
    assert digits["ratio"] > 4
    assert summary["verdict"].startswith("Complete: 8 sets x 2 tasks.")
    best = pd.read_csv(evaluations.parent / "reward_db/best_sets.csv")
    first = best[(best.task == "digits") & (best["rank"] == 1)].iloc[0]
    assert (first["set"], first.backgr, first.pose_rot) == (digits["best_set"], 1, 0)


def test_what_is_missing_is_listed_and_the_rest_is_kept(evaluations):
    (evaluations / f"{SETS[2]}.json").unlink()
    path = evaluations / f"{SETS[5]}.json"
    content = json.loads(path.read_text())
    del content["tasks"]["faces"]
    path.write_text(json.dumps(content))
    summary = assembled(evaluations, tasks=("digits", "faces", "stamps"))
    assert not summary["complete"]
    assert summary["missing"][SETS[2]] == ["digits", "faces", "stamps"]
    assert summary["missing"][SETS[5]] == ["faces", "stamps"]
    assert summary["missing"][SETS[0]] == ["stamps"]
    assert summary["verdict"].startswith("Incomplete: 11 of 24 entries are missing.")
    database = json.loads((evaluations.parent / "reward_db.json").read_text())
    assert (len(database["digits"]), len(database["faces"])) == (7, 6)
    assert drawn(evaluations.parent / "reward_db/heat_map.png")


def test_nothing_at_all_and_a_broken_file_are_named(evaluations):
    with pytest.raises(UserError, match="make the target 'reward_db' first"):
        write_reward_database([], None, SETS, ["digits"], "knn", "reward_db.json", "reward_db")
    broken = evaluations / f"{SETS[0]}.json"
    broken.write_text("{")
    with pytest.raises(UserError, match=broken.name):
        assembled(evaluations)


def test_effects_are_recovered_with_intervals_that_hold_them():
    held = []
    for seed in range(100):
        for task, sizes in EFFECTS.items():
            effects = main_effects(task, {name: accuracy(task, name, seed) for name in SETS})
            found = {effect.parameter: effect for effect in effects}
            assert set(found) == {"backgr", "materials", "pose_rot"}
            for name, effect in found.items():
                held.append(effect.low < sizes.get(name, 0.0) < effect.high)
    assert 0.92 < np.mean(held) < 0.98
    assert (found["materials"].value, found["materials"].reference) == (3, 1)


def test_too_few_sets_give_effects_without_intervals():
    two = {SETS[0]: 40.0, SETS[1]: 44.0}
    (effect,) = main_effects("digits", two)
    assert (effect.parameter, effect.effect) == ("pose_rot", pytest.approx(4))
    assert effect.low is None


def test_no_effect_is_told_of_parameters_that_the_sets_do_not_tell_apart():
    assert main_effects("digits", {SETS[0]: 40.0, SETS[-1]: 44.0}) == []
    # backgr and materials always change together, pose_rot does not.
    some = [name for name in SETS if (name[0] == "1") == (name[10] == "3")]
    effects = main_effects("digits", {name: accuracy("digits", name) for name in some})
    assert [effect.parameter for effect in effects] == ["pose_rot"]


def test_repeats_are_spread_over_the_study_and_their_spread_is_pooled():
    assert repeated_sets(SETS, 2, 2) == [
        f"{SETS[0]}.seed1", f"{SETS[0]}.seed2", f"{SETS[-1]}.seed1", f"{SETS[-1]}.seed2",
    ]  # fmt: skip
    assert repeated_sets(SETS, 0, 2) == []
    assert len(repeated_sets(SETS[:2], 5, 1)) == 2
    in_groups = repeated_sets(SETS, 2, 1, at_once=3)  # what a job trains at once is used
    assert in_groups == [f"{name}.seed1" for name in SETS[:3]]
    # A study of another seed has other repeats: none is the study's own backbone again.
    assert repeated_sets(SETS, 1, 2, seed=1) == [f"{SETS[0]}.seed2", f"{SETS[0]}.seed3"]
    pooled = seed_spread({"a": 1.0, "b": 10.0}, {"a": [3.0], "b": [10.0, 13.0]})
    assert pooled == pytest.approx(np.sqrt((2 + 6) / 3))
    assert np.isnan(seed_spread({"a": 1.0}, {}))


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published reward database is not here")
def test_the_published_database_drops_in(tmp_path):
    published = json.loads(PUBLISHED.read_text())
    sets = list(published["CUB"])
    for name in sets:
        tasks = {task: {"knn": rewards[name]} for task, rewards in published.items()}
        content = {"parameters": name, "tasks": tasks}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    summary = write_reward_database(
        tmp_path.glob("*.json"), None, sets, list(published), "knn",
        tmp_path / "out/reward_db.json", tmp_path / "out/reward_db",
    )  # fmt: skip
    assert summary["complete"]
    assert json.loads((tmp_path / "out/reward_db.json").read_text()) == published
    assert drawn(tmp_path / "out/reward_db/heat_map.png")
    effects = pd.read_csv(tmp_path / "out/reward_db/effects.csv").set_index(["task", "parameter"])
    # Known of this data: the background matters much, the light hardly.
    assert effects.loc["USPS", "backgr"].effect < -10
    light = effects.xs("lighting_intensity", level="parameter")
    assert ((light.low < 0) & (light.high > 0)).mean() > 0.8
