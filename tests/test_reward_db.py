"""The reward database: assembly, what is missing, effects, spreads, figures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from simtailor.config import load_configuration
from simtailor.errors import UserError
from simtailor.evaluate.effects import main_effects
from simtailor.evaluate.inputs import evidence_digest, repeated_sets
from simtailor.evaluate.noise import seed_noise
from simtailor.evaluate.reward_db import write_reward_database
from simtailor.simulation.parameters import SimulationParameters, enumerate_parameters

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT.parent / "shared/reference/task2sim/reward_db.json"
SETS = [
    str(p)
    for p in enumerate_parameters({"backgr": [0, 1], "materials": [1, 3], "pose_rot": [0, 1]})
]
EFFECTS = {"digits": {"backgr": 6.0, "pose_rot": -2.0}, "faces": {"backgr": 0.0, "pose_rot": 3.0}}


EPISODES = 4


def accuracy(task, name, seed=0):
    """Return a made-up accuracy: known effects and a little that depends on set and seed."""
    parameters = SimulationParameters.parse(name).as_dict()
    noise = np.random.default_rng([seed, SETS.index(name), len(task)]).normal(0, 0.2)
    return 40 + sum(size * parameters[p] for p, size in EFFECTS[task].items()) + float(noise)


def spread_over_episodes(mean):
    """Return the accuracies of the episodes, whose mean it is; they are alike for all sets."""
    return [mean - 3, mean - 1, mean + 1, mean + 3]


def write_evaluation(folder, name, accuracies, methods=("few_labels", "knn"), evidence="now"):
    """Write the file of a set or a repeat: by the last method, all are ten points lower."""
    episodes = {
        task: {
            method: spread_over_episodes(mean - 10 * place)
            for place, method in enumerate(methods)
        }
        for task, mean in accuracies.items()
    }  # fmt: skip
    content = {
        "parameters": name, "evidence": evidence, "episodes": episodes,
        "tasks": {task: {m: float(np.mean(e)) for m, e in found.items()}
                  for task, found in episodes.items()},
        "images": dict.fromkeys(accuracies, 500),
    }  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(content))


def start_of(*means):
    """Return what the baselines' file holds of a baseline: one entry a seed."""
    return [{m: spread_over_episodes(mean) for m in ("few_labels", "knn")} for mean in means]


def write_study(out):
    """Write evaluations of 8 sets with two seeds, baselines, and trainings at equal steps."""
    folder = out / "evaluations"
    folder.mkdir()
    for name in (*SETS, *repeated_sets(SETS, 8, 1)):
        base, _, seed = name.partition(".seed")
        write_evaluation(
            folder, name, {task: accuracy(task, base, int(seed or 0)) for task in EFFECTS}
        )
    baselines = {
        "digits": {
            "chance": 10.0, "majority": 12.0, "raw_pixels": start_of(31.0),
            "random_on": start_of(30.0, 31.0, 32.0), "random_off": start_of(29.0, 30.0, 31.0),
            "imagenet": start_of(70.0),
        },
        "faces": {
            "chance": 50.0, "majority": 52.0, "raw_pixels": start_of(45.0),
            "random_on": start_of(30.0, 34.0, 32.0), "random_off": start_of(20.0, 21.0, 22.0),
            "imagenet": start_of(60.0),
        },
    }  # fmt: skip
    (out / "baselines.json").write_text(json.dumps({"tasks": baselines}))
    steps = out / "equal_steps"
    steps.mkdir()
    for pair in range(4):
        for name, gain in ((SETS[pair], 8.0), (f"scratch{pair}", 0.0)):
            percents = {"60": 40 + gain + pair, "300": 70 + (-1) ** pair * gain}
            content = {"start": name, "pair": pair, "tasks": dict.fromkeys(EFFECTS, percents)}
            (steps / f"{name}.json").write_text(json.dumps(content))
    return folder


def assembled(folder, tasks=tuple(EFFECTS), methods=("few_labels", "knn")):
    out = folder.parent
    return write_reward_database(
        folder.glob("*.json"), out / "baselines.json", (out / "equal_steps").glob("*.json"), SETS,
        tasks, methods, "now", out / "reward_db.json", out / "reward_db",
    )  # fmt: skip


@pytest.fixture
def evaluations(tmp_path):
    """The folder of the evaluations of a study, to change."""
    return write_study(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder and summary of a study that is assembled, to look at only."""
    out = tmp_path_factory.mktemp("study")
    return out, assembled(write_study(out))


def drawn(path):
    return np.asarray(Image.open(path).convert("RGB")).std() > 10


def test_a_whole_study_is_written_in_the_published_format(made):
    out, summary = made
    assert summary["complete"]
    assert summary["missing"] == {}
    database = json.loads((out / "reward_db.json").read_text())
    assert list(database) == ["digits", "faces"]
    assert list(database["digits"]) == SETS
    both = [accuracy("faces", SETS[3], seed) for seed in (0, 1)]
    assert database["faces"][SETS[3]] == pytest.approx(np.mean(both))
    folder = out / "reward_db"
    assert all(drawn(folder / f"{name}.png") for name in ("heat_map", "comparison", "effects"))
    assert json.loads((folder / "summary.json").read_text()) == summary


def test_every_entry_says_how_sure_it_is(made):
    out, _ = made
    found = json.loads((out / "reward_db/entries.json").read_text())
    entry = found["digits"][SETS[0]]
    assert list(entry) == ["mean", "standard_error", "seeds", "episodes", "images"]
    assert (entry["seeds"], entry["episodes"], entry["images"]) == (2, EPISODES, 500)
    # Of two seeds whose accuracies differ by 0.2 in the standard deviation.
    assert entry["standard_error"] == pytest.approx(0.2 / np.sqrt(2), rel=0.5)


def test_sets_are_told_from_seeds_and_baselines(made):
    out, summary = made
    digits, faces = summary["tasks"]["digits"], summary["tasks"]["faces"]
    assert (digits["raw_pixels"], digits["random_on"], digits["imagenet"]) == (31, 31, 70)
    assert 0.05 < digits["spread_between_seeds"] < 0.6
    assert (digits["freedom_sets"], digits["freedom_seeds"]) == (7, 8)
    assert digits["p_corrected"] < 1e-4
    assert digits["over_raw_pixels"] == pytest.approx(digits["mean"] - 31)
    assert digits["over_raw_pixels_low"] > 0 > faces["over_raw_pixels_low"]
    assert digits["gain_60"] == 8
    best = pd.read_csv(out / "reward_db/best_sets.csv")
    first = best[(best.task == "digits") & (best["rank"] == 1)].iloc[0]
    assert (first["set"], first.backgr, first.pose_rot) == (digits["best_set"], 1, 0)
    assert first.reported == pytest.approx(digits["best_reported"])


def test_the_verdict_says_by_itself_what_is_not_shown(made):
    said = made[1]["sentences"]
    assert said[0] == "Complete: 8 sets x 2 tasks."
    assert "on 1 of 2 tasks; not on faces (raw pixels)." in said[1]
    small, large = (next(s for s in said if f"After {n} steps" in s) for n in (60, 300))
    assert "on 2 of 2 tasks (mean of all +8.0 points)." in small
    assert "on 0 of 2 tasks (mean of all +0.0 points); not on digits, faces." in large
    assert any("Sets differ" in s and "7 and 8 degrees" in s and "2 of 2 tasks" in s for s in said)
    assert any("ImageNet" in s and "on 0 of 2 tasks" in s for s in said)


def test_other_methods_stand_beside_the_reward(evaluations):
    assembled(evaluations)
    published = assembled(evaluations, methods=("knn", "few_labels"))
    few = published["other_methods"]["few_labels"]["tasks"]["digits"]
    assert few["mean"] == pytest.approx(published["tasks"]["digits"]["mean"] + 10)
    folder = evaluations.parent / "reward_db"
    assert pd.read_csv(folder / "tasks_few_labels.csv")["mean"][0] == pytest.approx(
        few["mean"], abs=1e-4
    )
    assert not (folder / "tasks_knn.csv").exists()  # of the reward before


def test_evidence_of_other_settings_does_not_count(evaluations):
    write_evaluation(evaluations, f"{SETS[4]}.seed1", {"digits": 99.0}, evidence="before")
    write_evaluation(evaluations, SETS[5], {"digits": 99.0, "faces": 99.0}, evidence="before")
    summary = assembled(evaluations)
    assert sorted(Path(path).name for path in summary["outdated"]) == sorted(
        [f"{SETS[4]}.seed1.json", f"{SETS[5]}.json"]
    )
    assert summary["missing"] == {SETS[5]: ["digits", "faces"]}
    found = json.loads((evaluations.parent / "reward_db/entries.json").read_text())
    assert found["digits"][SETS[4]]["seeds"] == 1
    assert summary["tasks"]["digits"]["freedom_seeds"] == 6


def test_what_is_missing_is_listed_and_the_rest_is_kept(evaluations):
    (evaluations / f"{SETS[2]}.json").unlink()
    write_evaluation(evaluations, SETS[5], {"digits": 50.0})
    write_evaluation(evaluations, f"{SETS[5]}.seed1", {"digits": 50.0})
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
        write_reward_database(
            [], None, [], SETS, ["digits"], ["knn"], "now", "reward_db.json", "reward_db"
        )
    broken = evaluations / f"{SETS[0]}.json"
    broken.write_text("{")
    with pytest.raises(UserError, match=broken.name):
        assembled(evaluations)
    write_evaluation(evaluations, SETS[0], {"digits": 50.0}, methods=("knn",))
    with pytest.raises(UserError, match="not an evaluation by 'few_labels'"):
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


def test_repeats_are_spread_over_the_study():
    assert repeated_sets(SETS, 2, 2) == [
        f"{SETS[0]}.seed1", f"{SETS[0]}.seed2", f"{SETS[-1]}.seed1", f"{SETS[-1]}.seed2",
    ]  # fmt: skip
    assert repeated_sets(SETS, 0, 2) == []
    assert len(repeated_sets(SETS[:2], 5, 1)) == 2
    # A study of another seed has other repeats: none is the study's own backbone again.
    assert repeated_sets(SETS, 1, 2, seed=1) == [f"{SETS[0]}.seed2", f"{SETS[0]}.seed3"]


def test_effects_of_repeated_sets_have_intervals_by_their_seeds():
    held = []
    for trial in range(100):
        both = {
            name: np.array([[accuracy("digits", name, 2 * trial + s)] for s in (0, 1)])
            for name in SETS
        }
        means = {name: rows.mean() for name, rows in both.items()}
        counts = dict.fromkeys(SETS, 2)
        for effect in main_effects("digits", means, seed_noise(both), counts):
            truth = EFFECTS["digits"].get(effect.parameter, 0.0)
            held.append(effect.low < truth < effect.high)
    assert 0.90 < np.mean(held) < 0.98


def test_evidence_depends_on_the_settings_and_not_on_how_many_sets_and_tasks():
    def digest(**changes):
        return evidence_digest(load_configuration({"task2sim": changes}, []))

    same = digest()
    assert digest(tasks={"names": ["mnist", "emoji", "stamps"]}) == same
    assert digest(simulation={"values": {"blur": [0, 1]}}) == same
    assert digest(pretrain={"threads": 2}) == same
    for changes in (
        {"simulation": {"images": 100}}, {"pretrain": {"epochs": 3}},
        {"tasks": {"image_size": 32}}, {"evaluate": {"few_labels": {"labels": 5}}},
    ):  # fmt: skip
        assert digest(**changes) != same


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published reward database is not here")
def test_the_published_database_drops_in(tmp_path):
    published = json.loads(PUBLISHED.read_text())
    sets = list(published["CUB"])
    for name in sets:
        episodes = {task: {"knn": [rewards[name]]} for task, rewards in published.items()}
        images = dict.fromkeys(published, 1000)
        content = {"parameters": name, "evidence": "", "episodes": episodes, "images": images}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    summary = write_reward_database(
        tmp_path.glob("*.json"), None, [], sets, list(published), ["knn"], "",
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
