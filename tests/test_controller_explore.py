"""The few-shot loop: evidence, rounds, and the target of the workflow."""

import json
import shutil

import numpy as np
import pytest
import yaml
from conftest import write_task
from pictures import draw_folder

from simtailor.config import load_configuration
from simtailor.controller.database import read_study, read_task_vector
from simtailor.controller.evidence import Evidence, read_evidence, validation_task, write_evidence
from simtailor.controller.explore import propose_round, write_exploration
from simtailor.controller.inputs import (
    rounds,
    screened_configuration,
    settings_of_evidence,
)
from simtailor.controller.settings import Controller
from simtailor.errors import UserError
from simtailor.pretrain.backbone import Backbone, describe, write_backbone
from simtailor.pretrain.settings import Pretrain
from simtailor.simulation.parameters import enumerate_parameters
from simtailor.tasks.prepared import PreparedTask

VALUES = {"backgr": (0, 1), "materials": (1, 3), "pose_scale": (0, 1)}
SETS = [str(p) for p in enumerate_parameters(VALUES)]
SEEN = ("digits", "mnist", "fashion", "faces", "clipart")


def accuracy(name, kind):
    """A task of kind 1 likes a fixed background, one of kind 0 a varied one."""
    parts = [int(p) for p in name.split("_")]
    return 40.0 + 20.0 * (parts[0] ^ kind) + 3.0 * parts[8] - 2.0 * (parts[5] == 3)


def write_known(folder, length=300):
    """Write what is known of five tasks, and the vector of a new one."""
    rng = np.random.default_rng(0)
    base = rng.gamma(1.0, size=(2, length))
    rewards = {t: {s: accuracy(s, n % 2) for s in SETS} for n, t in enumerate(SEEN)}
    (folder / "db.json").write_text(json.dumps(rewards))
    vectors = {t: base[n % 2] * rng.uniform(0.9, 1.1, length) for n, t in enumerate(SEEN)}
    np.savez(folder / "known.npz", **vectors)
    np.savez(folder / "new.npz", values=base[0] * rng.uniform(0.9, 1.1, length))
    return [str(folder / name) for name in ("db.json", "known.npz", "new.npz")]


def test_rounds_find_the_best_set_of_a_task_unlike_its_vector(tmp_path):
    """Chosen on the validation part, where an honest report stands on the test part."""
    files, evidence, made = write_known(tmp_path), Evidence({}, {}), []
    for number, count in enumerate([2, 2, 0]):
        made.append(tmp_path / f"round_{number}.json")
        found = propose_round(
            *files, "new", made[:number], evidence, count, Controller(), "results", made[number]
        )
        for name in {*found["sets"], found["recommended"], found["best_fixed_set"]}:
            evidence.validation[name] = accuracy(name, 1)
            evidence.test[name] = accuracy(name, 1) - 5
    result = write_exploration(
        *files, "new", made, evidence, Controller(), "results", tmp_path / "out"
    )
    assert len(set(result["tried"])) == 4
    best = max(accuracy(name, 1) for name in SETS)
    assert result["test"][result["recommended"]] == best - 5
    assert f"{best - 5:.1f} % on the test part" in result["verdict"]
    used = yaml.safe_load((tmp_path / "out/recommendation.yaml").read_text())
    assert used["set"] == result["recommended"]
    assert set(used["evaluations"]) == set(result["tried"])
    assert (tmp_path / "out/exploration.png").stat().st_size > 500
    with pytest.raises(UserError, match="of an earlier round is not evaluated"):
        propose_round(
            *files, "new", made[:1], Evidence({}, {}), 2, Controller(), "results", tmp_path / "x"
        )


def test_budget_is_met_by_whole_rounds_and_a_rest():
    assert list(rounds(Controller(explore={"sets": 10, "at_once": 4})).values()) == [4, 4, 2, 0]
    assert list(rounds(Controller(explore={"sets": 2, "at_once": 4})).values()) == [2, 0]
    screened = Controller(explore={"sets": 2, "at_once": 4, "screening": {"sets": 6}})
    assert rounds(screened) == {"screening": 6, "0": 2, "1": 0}


def test_screened_sets_spare_whole_ones(tmp_path):
    """A task unlike its vector: few images of every set tell what the first whole one should be."""
    files = write_known(tmp_path)
    few = {name: accuracy(name, 1) - 30 for name in SETS}  # at a lower level
    made = [tmp_path / "screening.json", tmp_path / "round_0.json"]
    first = propose_round(
        *files, "new", [], Evidence({}, {}), 8, Controller(), "results", made[0], screening=True
    )
    assert sorted(first["sets"]) == sorted(SETS)
    evidence = Evidence({}, {}, screened={name: few[name] for name in first["sets"]})
    found = propose_round(*files, "new", made[:1], evidence, 1, Controller(), "results", made[1])
    likes = [name for name in SETS if accuracy(name, 1) >= accuracy(name, 0)]
    assert found["sets"][0] in likes  # the vector alone proposes one that the task does not like
    assert (
        propose_round(
            *files, "new", [], Evidence({}, {}), 1, Controller(), "results", tmp_path / "alone.json"
        )["sets"][0]
        not in likes
    )
    for name in {*found["sets"], found["recommended"], found["best_fixed_set"]}:
        evidence.validation[name] = evidence.test[name] = accuracy(name, 1)
    result = write_exploration(
        *files, "new", made, evidence, Controller(), "results", tmp_path / "out"
    )
    assert set(result["screened"]) == set(first["sets"])
    assert result["tried"] == found["sets"]
    with pytest.raises(UserError, match="of an earlier round is not evaluated"):
        propose_round(
            *files, "new", made[:1], Evidence({}, {}), 2, Controller(), "results", tmp_path / "x"
        )


def test_validation_part_holds_training_images_of_every_class_alone(tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (80, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(80) % 4
    task = PreparedTask.read(write_task(tmp_path / "task", "new", images, labels, 0.75))
    part = validation_task(task, 0)
    assert part.name != task.name
    assert sorted([*part.train, *part.test]) == list(range(60))
    assert (part.images == task.train_images).all()
    assert (np.bincount(part.test_labels) == 5).all()
    assert (validation_task(task, 0).test == part.test).all()
    assert (validation_task(task, 1).test != part.test).any()


def test_evidence_is_dropped_with_a_sentence_after_a_change(tmp_path):
    settings = settings_of_evidence(load_configuration({}, []))
    method = settings["method"]
    images = np.zeros((8, 8, 8, 3), np.uint8)
    task = write_task(tmp_path / "task", "new", images, np.arange(8) % 2, 0.5)
    evaluation = tmp_path / "evaluation.json"
    for place, name in enumerate(SETS[:2]):
        found = {"new": {method: 50.0 + place}, "new.validation": {method: 60.0 + place}}
        evaluation.write_text(json.dumps({"parameters": name, "tasks": found}))
        write_evidence(evaluation, "new", settings, task, tmp_path / f"new/evaluations/{name}.json")
    screening = settings_of_evidence(screened_configuration(load_configuration({}, [])))
    whole = read_evidence(tmp_path / "new", settings, screening, task)
    assert whole.validation == {SETS[0]: 60.0, SETS[1]: 61.0}
    assert whole.test == {SETS[0]: 50.0, SETS[1]: 51.0}
    assert whole.dropped == ""
    changed = {"task2sim": {"simulation": {"images": 123}}, "seed": 5}
    now = settings_of_evidence(load_configuration(changed, []))
    left = read_evidence(tmp_path / "new", now, screening, task)
    assert left.validation == left.test == {}
    assert "2 evaluations" in left.dropped
    assert "another seed, task2sim.simulation" in left.dropped
    shutil.rmtree(task)
    write_task(tmp_path / "task", "new", images + 1, np.arange(8) % 2, 0.5)
    dropped = read_evidence(tmp_path / "new", settings, screening, task).dropped
    assert "images of the task" in dropped


def test_a_vector_of_another_probe_network_is_named(tmp_path):
    db, known, new = write_known(tmp_path)
    study = read_study(db, known)
    np.savez(new, values=np.ones(7))
    with pytest.raises(UserError, match=r"new.npz: .* 7 entries, those of the known tasks 300"):
        read_task_vector(new, "new", study)


LIGHT = (
    "validation_task", "evaluate_candidate", "evaluate_screened", "propose_sets", "explore",
    "recommend",
)  # fmt: skip


@pytest.mark.slow
def test_explore_is_a_target_that_goes_on_where_it_was(project):
    """Only the loop's own rules run: backbones, task and vectors are there."""
    write_known(project.folder)
    study = project.folder / "results/task2sim"
    work = project.folder / "work/task2sim"
    (work / "task_vectors").mkdir(parents=True)
    (project.folder / "new.npz").rename(work / "task_vectors/new.npz")
    random = np.random.default_rng(0)
    labels = np.arange(90) % 3
    images = random.integers(0, 60, (90, 16, 16, 3), dtype=np.uint8)
    images[np.arange(90), :, :, labels] += 90
    write_task(work / "tasks/new", "new", images, labels, 0.7)
    settings = Pretrain(image_size=32)
    for seed, name in enumerate(SETS):
        held = Backbone.random(settings, seed)
        weights = {key: value.contiguous() for key, value in held.network.state_dict().items()}
        for folder in (study, work / "screened"):
            write_backbone(
                folder / f"backbones/{name}", weights, describe(settings, ["a"], name, seed)
            )
    controller = {
        "reward_db": "db.json", "task_vectors": "known.npz",
        "explore": {"sets": 2, "at_once": 1, "screening": {"sets": 2}},
    }  # fmt: skip
    pictures = {"new": {"folder": str(draw_folder(project.folder / "pictures", classes=3))}}
    project.configure({}, task2sim={"tasks": {"extra": pictures}, "controller": controller})

    def make(target):
        run = project.snakemake(target, options=("--allowed-rules", *LIGHT))
        assert run.returncode == 0, run.stderr[-4000:]

    target, rounds_of_task = "results/task2sim/explore/new", work / "explore/new"
    make(target)
    exploration = project.folder / target / "exploration.json"
    result, before = json.loads(exploration.read_text()), exploration.read_bytes()
    assert len(set(result["tried"])) == 2
    assert [len(step["sets"]) for step in result["rounds"]] == [2, 1, 1, 0]
    assert list(result["screened"]) == result["rounds"][0]["sets"]
    assert set(result["test"]) == {
        *result["tried"],
        result["recommended"],
        result["best_fixed_set"],
    }
    shutil.rmtree(project.folder / target)
    (rounds_of_task / "round_1.json").unlink()
    (rounds_of_task / f"evaluations/{result['tried'][1]}.json").unlink()
    make(target)
    assert exploration.read_bytes() == before
    make("results/task2sim/recommend/new.yaml")
    held = yaml.safe_load((study / "recommend/new.yaml").read_text())
    assert set(held["evaluations"]) >= set(result["tried"])
