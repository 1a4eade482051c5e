"""Figures of README and docs stand in marked places, and the script that fills them agrees."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import documented  # noqa: E402
import documented_figures as figures  # noqa: E402

SUMMARY = {
    "experiment": "tyol_1attr", "seed": 0, "renders": 15732, "seconds": 104.2,
    "verdict": "Converged: 1.8% left.",
    "attributes": {
        "yaw": {
            "unit": "degrees", "prior": {"mean": 180.2, "std": 10.1},
            "target": {"mean": 90.35, "std": 10.0},
            "generated": {"mean": 90.4, "std": 10.3, "mean_95": [89.1, 91.5], "std_95": None},
        }
    },
}  # fmt: skip
TASKS = {
    "mnist": {"chance": 10.0, "raw_pixels": 95.0, "random_on": 80.0, "worst": 85.0, "best": 92.0,
              "best_set": "x", "best_reported": None, "p": 0.5},
    "faces": {"chance": 50.0, "raw_pixels": 90.0, "random_on": None, "worst": 95.0, "best": 98.0,
              "best_set": "y", "best_reported": None, "p": 0.5},
}  # fmt: skip
STUDY = {"method": "knn", "sets": 8, "tasks": TASKS, "sentences": ["Complete.", "Sets differ."]}
EFFECT = {"task": "mnist", "parameter": "pose_rot", "value": "1", "reference": "0"}
EFFECTS = [
    EFFECT | {"effect": "-4.0", "low": "-7.0", "high": "-1.0"},
    EFFECT | {"task": "faces", "effect": "3.0", "low": "-0.1", "high": "6.1"},
    EFFECT | {"parameter": "blur", "effect": "1.0", "low": "", "high": ""},
]


def test_every_place_has_a_section_and_every_section_its_places():
    marked = [n for page in documented.documented_pages(ROOT) for n in documented.places_of(page)]
    known = [name for section in documented.SECTIONS.values() for name in section.places]
    assert sorted(marked) == sorted(known)
    begun = sum(p.read_text().count("<!-- documented") for p in documented.documented_pages(ROOT))
    assert begun == len(marked)  # each has its end


def test_every_picture_of_the_pages_is_remade_by_a_section():
    shown = {
        Path(link).name
        for page in documented.documented_pages(ROOT)
        for link in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text())
    }
    made = {p for section in documented.SECTIONS.values() for p in section.pictures.values()}
    assert shown == made


def test_accuracies_and_points_on_the_front_page_stand_in_marked_places():
    text = documented.MARK.sub("", (ROOT / "README.md").read_text())
    found = re.findall(r"[\d.,]+ ?(?:%|points)", text)
    assert set(found) <= {"95 %"}


def test_the_sections_and_their_durations_are_those_of_the_help_and_of_the_readme():
    readme = (ROOT / "benchmarks/README.md").read_text()
    for name in documented.SECTIONS:
        assert f"| {name} |" in documented.__doc__
        assert f"`{name}`" in readme


def test_a_training_becomes_a_table_with_its_verdict():
    text = figures.metasim(SUMMARY)
    row = "| yaw (degrees) | 180.2 ± 10.1 | 90.35 ± 10 | 90.4 ± 10.3 | 89.1 to 91.5 | – |"
    assert row in text
    assert "15,732 renders, 104 s" in text
    assert text.endswith("> Converged: 1.8% left.")
    unknown = SUMMARY["attributes"]["yaw"] | {"target": None}
    assert "| unknown |" in figures.metasim(SUMMARY | {"attributes": {"yaw": unknown}})


def test_a_study_says_only_what_its_summary_holds():
    text = figures.study(STUDY, EFFECTS)
    assert "| task | chance | raw pixels | random on | worst | best |" in text
    assert "| `faces` | 50.0 | 90.0 | – | 95.0 | 98.0 |" in text
    assert "- Complete.\n- Sets differ." in text
    assert "Of 2 effects of a parameter on a task, 1 have a 95 % interval" in text
    assert "| `pose_rot` = 1 against 0 | `mnist` | -4.0 | -7.0 to -1.0 |" in text
    assert "+3.0" not in text  # its interval holds 0
    assert "effects" not in figures.study(STUDY, [])


def test_a_classifier_becomes_a_table_with_the_best_way_first():
    way = {"way": "ridge", "validation": 91.0, "standard_error": 0.5}
    ways = {
        "simulated_head": way | {"title": "a head", "test": 90.0, "gain": 0.0,
                                 "gain_interval_95": [-0.1, 0.1]},
        "imagenet_head": way | {"title": "the other", "test": 95.0, "gain": -5.0,
                                "gain_interval_95": [-7.0, -3.0]},
    }  # fmt: skip
    summary = {"classifier": "simulated_head", "ways": ways, "verdict": "It is worse.",
               "images": {"train": 1333, "test": 667}}  # fmt: skip
    text = figures.classifier(summary)
    assert "1,333 training and 667 test images" in text
    other, own = text.split("\n")[4:6]
    assert other == "| the other | ridge | 91.0 | 95.0 ± 0.5 | -5.0 (-7.0 to -3.0) |"
    assert own == "| a head (the classifier) | ridge | 91.0 | 90.0 ± 0.5 | – |"
    assert text.endswith("> It is worse.")


def test_policies_and_distances_become_tables():
    page = (ROOT / "benchmarks/controller.md").read_text()
    whole, without = (figures.controller(page, which) for which in ("All sets", "Without"))
    for text in (whole, without):
        assert "| best_fixed |" in text
        assert "| 16 |" in text
    assert whole != without
    front = figures.controller_front(page, "All sets")
    assert front.startswith("On the published database: from the task vector alone")
    assert "\n" not in front
    near = {"a": [["b", 0.5], ["c", 0.75]], "b": [["a", 0.5], ["c", 0.6]]}
    assert "| `a` | `b` 0.50 | `c` 0.75 | `c` 0.75 |" in figures.distances(
        {"nearest": {"shape": near}}
    )


def test_the_saved_recovery_gives_the_worst_attribute_of_each_seed():
    page = (ROOT / "benchmarks/metasim_recovery.md").read_text()
    text = figures.recovery(page)
    names = re.findall(r"^## (\w+)", page, re.M)
    assert re.findall(r"^\| `(\w+)` \|", text, re.M)[: len(names)] == names
    for name in names:
        worst = re.search(rf"^\| {name} .*", page, re.M)[0].split("|")[5].strip().rstrip("%")
        left = re.search(rf"^\| `{name}` \| ([\d., ]+) %", text, re.M)[1].split(", ")
        assert max(map(float, left)) == float(worst)
    assert re.match(r"20\d\d-\d\d-\d\d, .*cores", figures.saved_stamp(page))


@pytest.mark.parametrize("name", ["photographs", "metasim"])
def test_a_place_is_filled_again_and_its_neighbours_stay(tmp_path, name):
    (tmp_path / "docs").mkdir()
    page = tmp_path / "README.md"
    page.write_text(
        "before\n<!-- documented: metasim -->\nold\n<!-- end: metasim -->\nbetween\n"
        "<!-- documented: photographs -->\nold\n<!-- end: photographs -->\nafter\n"
    )
    results = tmp_path / "results"
    section = documented.SECTIONS[name]
    source = results / section.places[name].source
    source.parent.mkdir(parents=True)
    source.write_text(json.dumps(SUMMARY))
    for _ in range(2):
        documented.write(name, section, results, tmp_path)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "between" in text
    assert text.count("old") == 1
    assert text.count("> Converged: 1.8% left.") == 1
    assert re.search(rf"documented.py {name}`: 20\d\d-.* cores, .*written at commit \w+", text)
