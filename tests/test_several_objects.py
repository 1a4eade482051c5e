"""Several objects, a varying number of them, and what is learnt of both."""

from __future__ import annotations

import json
from dataclasses import replace

import marbles
import numpy as np
import pytest
import torch
import yaml
from fits import write_fit

from simtailor.assets.tabletop import tabletop_objects
from simtailor.errors import UserError
from simtailor.fitted.settings import Datasets
from simtailor.fitted.stage import make_dataset
from simtailor.metasim.arranging import Arranger
from simtailor.metasim.copies import merged
from simtailor.metasim.evaluation import attribute_table, shares_table
from simtailor.metasim.generators import make_generator
from simtailor.metasim.inputs import checked_grammars
from simtailor.metasim.search.entries import Entries
from simtailor.metasim.settings import Experiment
from simtailor.metasim.shares import occurrences
from simtailor.metasim.stage import Machine
from simtailor.metasim.target import TargetImages, render_target, target_scenes
from simtailor.metasim.training import Trainer
from simtailor.render.embedded.contracts import TABLETOP
from simtailor.render.embedded.placing import Placing
from simtailor.render.embedded.stage_file import Stage
from simtailor.render.program.scenes import scenes_of
from simtailor.render.renderer import nearest_equivalent
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import ABSENT, in_layout_of
from simtailor.scene.short_form import expanded, shortened

PRIOR = """
object:
  class: [red, green]
  count: 1..3
  x: normal(50, 18) max 100
  y: normal(50, 18) max 100
"""
TARGET = """
object:
  class: {red: 3, green: 1}
  count: {1: 1, 2: 3, 3: 6}
  x: normal(62, 14) max 100
  y: normal(44, 20) max 100
"""
MACHINE = Machine("cpu", 1, "resources")


def parsed(text: str) -> Grammar:
    return Grammar(expanded(yaml.safe_load(text), {}, "short"), "short", marbles.MARBLES.attributes)


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.setattr("simtailor.metasim.settings.find_renderer", lambda name: marbles.MARBLES)
    monkeypatch.setattr("simtailor.render.creation.find_renderer", lambda name: marbles.MARBLES)
    for name, text in (("prior", PRIOR), ("target", TARGET)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return Experiment.model_validate({
        "grammar": str(tmp_path / "prior.yaml"),
        "target": {"grammar": str(tmp_path / "target.yaml"), "images": 400},
        "renderer": "marbles",
        "stage": {"image_size": 16},
        "features": {"pyramid": [16, 8, 4]},
        "training": {"image_size": 16, "epochs": 10, "scenes_per_epoch": 100,
                     "search": {"rounds": 0}},
        "evaluation": {"scenes": 2000},
        "seed": 0,
    })  # fmt: skip


@pytest.fixture
def renderer():
    return marbles.Marbles(marbles.MARBLES.settings(image_size=16), None)


@pytest.mark.parametrize("hypercube", [1, 10])
def test_counts_and_classes_come_as_often_as_the_grammar_says(hypercube):
    graphs = parsed(TARGET).sample(4000, np.random.default_rng(0), hypercube)
    objects = graphs.present[:, 1:]
    counts = np.bincount(objects.sum(1), minlength=4) / len(graphs)
    assert counts == pytest.approx([0, 0.1, 0.3, 0.6], abs=0.03)
    assert (objects[:, :-1] >= objects[:, 1:]).all(), "the copies that are there come first"
    names = [graphs.layout.class_names[c] for c in graphs.classes[graphs.classes != ABSENT]]
    assert names.count("red") / (4000 * 2.5) == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("count", ["1..4", "3", "[1, 3]", "{0: 0.5, 2: 1}"])
@pytest.mark.parametrize("name", ["[red, green]", "{red: 2, green: 0.5}"])
@pytest.mark.parametrize("beside", ["", "Light: {warmth: '1 max 2'}"])
def test_counts_and_weights_go_to_the_published_format_and_back(count, name, beside):
    text = f"object:\n  class: {name}\n  count: {count}\n  x: normal(5, 1) max 10\n{beside}\n"
    tree = expanded(yaml.safe_load(text), {}, "short")
    assert expanded(yaml.safe_load(shortened(tree)), {}, "short") == tree
    assert ("num_child" in tree["attributes"]["mutable"]) == (count != "3")
    assert json.loads(json.dumps(tree)) == tree
    Grammar(tree)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_child": ["Uniform", 3, 1]}, "counts are whole numbers"),
        ({"num_child": ["Uniform", 1, 99]}, "expected"),
        ({"num_child": ["Random", [1, 2], [0.5]]}, "one weight above 0"),
        ({"num_child": ["Random", [2, 1]]}, "from few to many"),
        ({"num_child": [["Uniform", 1, 2]]}, "two or more"),
        ({"class": ["Random", ["a", "b"], [1, -1]]}, "one weight above 0"),
    ],
)
def test_a_wrong_count_or_weight_is_told_with_its_place(change, words):
    tree = expanded(yaml.safe_load(PRIOR), {}, "short")
    with pytest.raises(UserError, match=words) as error:
        Grammar({**tree, **change}, "mine.json")
    assert f"mine.json: root.{next(iter(change))}" in str(error.value)


def test_a_drawn_count_among_several_children_needs_a_list_of_counts():
    tree = expanded(yaml.safe_load(PRIOR + "Light: {warmth: '1 max 2'}"), {}, "short")
    assert tree["num_child"] == [["Uniform", 1, 3], ["Deterministic", 1]]
    with pytest.raises(UserError, match="give a list with one count for each"):
        Grammar({**tree, "num_child": ["Uniform", 1, 3]})


def test_what_is_below_a_node_that_comes_several_times_is_there_with_it():
    nested = PRIOR + "  Wheel: {count: '0..2', size: '1 max 2'}\n"
    graphs = parsed(nested).sample(300, np.random.default_rng(0))
    layout, present = graphs.layout, graphs.present
    below = [(n, p) for n, p in enumerate(layout.parents) if layout.node_names[n] == "Wheel"]
    assert len(below) == 6
    assert not any((present[:, n] & ~present[:, p]).any() for n, p in below)
    assert 0 < present[:, [n for n, _ in below]].mean() < 0.7


def test_exports_and_programs_get_the_objects_that_are_there():
    graphs = parsed(PRIOR).sample(50, np.random.default_rng(0))
    for i, scene in enumerate(scenes_of(graphs, {})):
        count = int(graphs.present[i, 1:].sum())
        assert list(scene["nodes"]) == ["Image", *(f"object{k + 1}" for k in range(count))]
        exported = graphs.to_node_link(i)
        assert [node["cls"] for node in exported["nodes"][1:]] == [
            scene["nodes"][f"object{k + 1}"]["class"] for k in range(count)
        ]


def test_copies_find_their_like_in_another_grammar():
    prior = parsed(PRIOR).sample(5, np.random.default_rng(0))
    other = parsed(TARGET.replace("{1: 1, 2: 3, 3: 6}", "1")).sample(20, np.random.default_rng(1))
    moved = in_layout_of(prior, other)
    assert (moved.present.sum(1) == 2).all(), "the root and one object"
    assert moved.values()[:, 1] == pytest.approx(other.values()[:, 1])


def test_interchangeable_objects_are_one_sample(renderer):
    graphs = parsed(PRIOR).sample(500, np.random.default_rng(0))
    orders = np.random.default_rng(1).permuted(np.tile(np.arange(1, 4), (500, 1)), axis=1)
    orders = np.column_stack([np.zeros(500, int), orders])
    shuffled = replace(
        graphs,
        classes=np.take_along_axis(graphs.classes, orders, 1),
        features=np.take_along_axis(graphs.features, orders[..., None], 1),
    )
    tables = []
    for some in (graphs, shuffled):
        same = merged(nearest_equivalent(renderer, some, some.features[0]))
        tables.append(attribute_table(same, same, None))
        assert list(tables[-1]) == ["x", "y"]
    assert tables[0]["x"]["prior"] == pytest.approx(tables[1]["x"]["prior"])
    there = graphs.present[:, 1:]
    assert tables[0]["x"]["prior"]["mean"] == pytest.approx(
        graphs.values()[:, 1:, 0][there].mean(), abs=1e-3
    )


def test_donors_are_mixed_with_their_nearest_objects():
    grammar = parsed(PRIOR)
    entries = Entries(grammar.layout, np.zeros(grammar.layout.maximum.shape))
    values = np.array([[0.1, 0.1, 0.5, 0.5, 0.9, 0.9]])
    others = np.array([[0.8, 0.9, 0.2, 0.1, 0.5, 0.4]])
    expected = [[0.2, 0.1, 0.5, 0.4, 0.8, 0.9]]
    assert entries.aligned(values, others) == pytest.approx(np.array(expected))


def test_objects_are_drawn_again_until_none_is_in_another(renderer):
    grammar = parsed(PRIOR)
    arranger, random = Arranger(grammar, renderer), np.random.default_rng(0)
    graphs = grammar.sample(500, random)
    assert not renderer.apart(graphs).all()
    arranged = arranger.arranged(graphs, random)
    assert renderer.apart(arranged).all()
    assert (arranged.classes == graphs.classes).all(), "counts and classes stay"
    was_apart = renderer.apart(graphs)
    assert (arranged.features[was_apart] == graphs.features[was_apart]).all()
    assert 0 < arranger.note["drawn_again"] < 0.5
    assert arranger.note["not_apart"] == 0


def test_no_room_for_the_objects_is_told(renderer):
    crowded = parsed(PRIOR.replace("18", "1").replace("1..3", "3"))
    with pytest.raises(UserError, match=r"in 100% of the scenes the objects have no room"):
        target_scenes(crowded, renderer, 20, 0)


def test_equal_shares_change_no_scene_and_others_give_theirs(experiment, renderer):
    grammar = parsed(PRIOR)
    generator = make_generator(experiment, grammar, renderer_for(renderer))
    graphs = grammar.sample(4000, np.random.default_rng(0), 10)
    same = generator.redrawn(graphs)
    assert (same.classes == graphs.classes).all()
    of_class, of_count = generator.shares.learnt
    wanted = {of_class.kind: [0.9, 0.1], of_count.kind: [0.2, 0.0001, 0.7999]}
    for drawn, logits in zip(generator.shares.learnt, generator.shares.logits, strict=True):
        logits.copy_(torch.tensor(wanted[drawn.kind]).log())
    moved = generator.redrawn(graphs)
    table = shares_table({"prior": graphs, "generated": moved})["object"]
    assert list(table["class"]["generated"].values()) == pytest.approx([0.9, 0.1], abs=0.02)
    counts = list(table["num_child"]["generated"].values())
    assert counts == pytest.approx(wanted["num_child"], abs=0.02)
    again = generator.redrawn(graphs[100:200])
    assert (again.classes == moved.classes[100:200]).all(), "a scene's own seed decides"


def renderer_for(renderer):
    """Return the renderer with what a training asks of it."""
    renderer.effective = marbles.MARBLES.effective
    return renderer


def test_copies_have_one_distribution(experiment, renderer):
    grammar = parsed(PRIOR)
    generator = make_generator(experiment, grammar, renderer_for(renderer))
    assert generator.shift.shape == (2, 2), "the root and the object, x and y"
    graphs = grammar.sample(100, np.random.default_rng(0))
    with torch.no_grad():
        generator.shift[1, 0] = 0.5
        moved = generator(graphs).numpy() - graphs.features
    inside = (graphs.features > 0.2) & (graphs.features < 0.8)  # the rest is kept in its range
    x, y = (moved[:, 1:, f][inside[:, 1:, f]] for f in (0, 1))
    assert x == pytest.approx(0.5 * float(generator.spread[1, 0]), abs=1e-5)
    assert y == pytest.approx(0, abs=1e-5)


def test_counts_classes_and_places_are_recovered(experiment, renderer):
    grammar, hidden = parsed(PRIOR), parsed(TARGET)
    target = render_target(hidden, renderer, 400, 0)
    trainer = Trainer(experiment, grammar, renderer_for(renderer), target)
    trainer.train(report=lambda line: None)
    graphs = trainer.scenes.sample("test", 1000, generator=trainer.generator)
    same = merged(nearest_equivalent(renderer, trainer.generator.changed(graphs), None))
    truth = target_scenes(hidden, renderer, 2000, 1)
    found = shares_table({"prior": graphs, "generated": graphs, "target": truth})["object"]
    assert found["class"]["off"] < 0.06
    assert found["num_child"]["off"] < 0.15
    table = attribute_table(same, same, merged(nearest_equivalent(renderer, truth, None)))
    for name, spread in (("x", 14), ("y", 20)):
        entry = table[name]
        assert abs(entry["generated"]["mean"] - entry["target"]["mean"]) < 0.25 * spread
        assert entry["generated"]["std"] == pytest.approx(entry["target"]["std"], rel=0.25)


def test_a_target_may_not_have_more_objects_than_the_prior_draws(experiment, tmp_path):
    (tmp_path / "target.yaml").write_text(TARGET.replace("{1: 1, 2: 3, 3: 6}", "1..4"))
    with pytest.raises(UserError, match="up to 4 nodes 'object'"):
        checked_grammars(experiment)


def test_a_data_set_labels_every_object(experiment, tmp_path):
    machine = Machine("cpu", 1, str(tmp_path))
    results = write_fit(tmp_path / "fit", experiment, machine, {"x": [1, 2], "y": [1, 2]})
    settings = Datasets(images=40, shard_size=20, seed=0)
    work, output = tmp_path / "work", tmp_path / "set"
    summary = make_dataset("several", results, settings, machine, work, output, lambda line: None)
    assert summary["objects"] > 60
    assert set(summary["classes"]) == {"green", "red"}
    from simtailor.fitted.reading import FittedSet  # noqa: PLC0415

    made, counts = FittedSet(output), set()
    for sample in made.samples():
        objects = sample.annotation["objects"]
        counts.add(len(objects))
        assert [o["number"] for o in objects] == list(range(1, len(objects) + 1))
        assert set(np.unique(sample.mask)) <= {0, *(o["number"] for o in objects)}
        for described, instance in zip(objects, made.instances(sample), strict=False):
            left, top, width, height = described["box"]
            rows, columns = np.nonzero(instance.mask)
            assert (columns.min(), rows.min()) == (left, top)
            assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == (width, height)
            assert described["attributes"].keys() == {"x", "y"}
    assert counts == {1, 2, 3}


def test_a_scene_counts_each_class_and_its_number(experiment):
    graphs = parsed(PRIOR).sample(200, np.random.default_rng(0))
    of_class, of_count = (d for d in graphs.layout.drawn if d.learnt)
    assert (occurrences(graphs, of_class).sum(1) == graphs.present[:, 1:].sum(1)).all()
    assert (occurrences(graphs, of_count) @ [1, 2, 3] == graphs.present[:, 1:].sum(1)).all()


def test_targets_are_the_same_each_time(renderer):
    first, second = (render_target(parsed(TARGET), renderer, 60, 3) for _ in range(2))
    assert isinstance(first, TargetImages)
    assert (first.images == second.images).all()
    assert (target_scenes(parsed(TARGET), renderer, 60, 3).features == first.features).all()


def test_the_stage_knows_which_objects_are_in_each_other():
    text = """
    object:
      class: [mug, bowl]
      count: 1..2
      yaw: uniform(0, 360)
      loc_x: uniform(100, 120) max 200
      loc_z: 100 max 200
    """
    grammar = Grammar(expanded(yaml.safe_load(text), TABLETOP.attributes, "short"))
    graphs = grammar.sample(400, np.random.default_rng(0))
    placing = Placing.of(Stage(), list(tabletop_objects().values()), 0.42, (0,), 1)
    scenes, free = placing.scenes(graphs), placing.apart(graphs)
    first, ground, second = range(3)
    there = scenes.mesh[:, second] >= 0
    assert (there == graphs.present[:, 2]).all()
    assert free[~there].all()
    assert (scenes.label[:, [first, ground, second]] == [1, 0, 2]).all()
    centimetres = 100 * np.abs(scenes.position[:, first, 0] - scenes.position[:, second, 0])
    assert not free[there & (centimetres < 4)].any()
    assert free[there & (centimetres > 18)].all()
