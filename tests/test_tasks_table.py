"""The table of tasks is checked before anything runs, and names what is wrong and where."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simtailor.errors import UserError
from simtailor.tasks.settings import ExtraTask, Tasks
from simtailor.tasks.table import COLUMNS, find_task, read_table, study_tasks

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "config/tasks.tsv"
GOOD = {
    "name": "flowers",
    "title": "Flowers",
    "study": "registry",
    "kind": "folder",
    "source": "photos",
    "packages": "",
    "options": "",
    "fit": "crop",
    "licence": "CC0",
    "notes": "",
}


def write_table(path, *rows, header=COLUMNS):
    lines = ["# a comment", "\t".join(header), "", *("\t".join(r.values()) for r in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_table_has_the_published_tasks_with_their_split():
    published = ROOT.parent / "shared/reference/task2sim/tasks.json"
    if not published.exists():
        pytest.skip("the published list of tasks is not here")
    names = json.loads(published.read_text())
    rows = read_table(TABLE).values()
    for part in ("seen", "unseen"):
        assert [row.name for row in rows if row.study == part] == names[part]


def test_the_small_study_needs_only_package_registries():
    settings = Tasks(table=str(TABLE))
    rows = read_table(TABLE)
    names = study_tasks(settings)
    assert len(names) >= 5
    assert {rows[name].study for name in names} == {"registry"}


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("name", "a b", "column 1 (name)"),
        ("study", "sean", "column 3 (study)"),
        ("kind", "foldr", "column 4 (kind): unknown kind of source 'foldr'"),
        ("kind", "emoji", "needs its packages instead"),
        ("packages", "mnist", "column 5 (source): give either"),
        ("source", "", "column 5 (source): give either"),
        ("options", "{x", "column 7 (options): the cell:1: not valid JSON"),
        ("options", '{"speed": 1}', "column 7 (options): speed"),
        ("fit", "stretch", "column 8 (fit)"),
    ],
)
def test_a_wrong_cell_is_named_by_line_and_column(tmp_path, column, value, problem):
    path = write_table(tmp_path / "tasks.tsv", GOOD, {**GOOD, "name": "other", column: value})
    with pytest.raises(UserError) as error:
        read_table(path)
    assert f"{path}:5: " in str(error.value)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("options", "problem"),
    [('{"pattern": "([0-9]"}', "not a regular expression"), ('{"pattern": "x"}', r"P<class>")],
)
def test_a_pattern_is_checked_with_the_table(tmp_path, options, problem):
    path = write_table(tmp_path / "tasks.tsv", {**GOOD, "kind": "files", "options": options})
    with pytest.raises(UserError, match=problem):
        read_table(path)


def test_an_unknown_package_names_the_nearest(tmp_path):
    row = {**GOOD, "kind": "idx", "source": "", "packages": "minst"}
    with pytest.raises(UserError, match=r"packages.*Did you mean 'mnist'"):
        read_table(write_table(tmp_path / "tasks.tsv", row))


def test_a_lost_column_and_a_name_given_twice(tmp_path):
    short = dict(list(GOOD.items())[:-1])
    with pytest.raises(UserError, match=":4: 9 columns, expected 10"):
        read_table(write_table(tmp_path / "tasks.tsv", short))
    with pytest.raises(UserError, match=r":5: .*'flowers' is there twice"):
        read_table(write_table(tmp_path / "tasks.tsv", GOOD, GOOD))
    with pytest.raises(UserError, match=r"tasks\.tsv:2: the columns are 'name', 'title'"):
        read_table(write_table(tmp_path / "tasks.tsv", header=COLUMNS[:2]))
    with pytest.raises(UserError, match="no such file"):
        read_table(tmp_path / "absent.tsv")


def test_a_folder_can_be_a_task_by_configuration_alone(tmp_path):
    path = write_table(tmp_path / "tasks.tsv", GOOD)
    settings = Tasks(table=str(path), names=["mine"], extra={"mine": ExtraTask(folder="my/photos")})
    assert study_tasks(settings) == ["mine"]
    row = find_task(settings, "mine")
    assert (row.kind, row.title) == ("folder", "mine")
    assert row.place("res").folders == (Path("my/photos"),)
    with pytest.raises(UserError, match="Did you mean 'flowers'"):
        find_task(settings, "flower")


def test_a_task_of_the_table_is_not_replaced_unsaid(tmp_path):
    path = write_table(tmp_path / "tasks.tsv", GOOD)
    settings = Tasks(table=str(path), extra={"flowers": ExtraTask(folder="my/photos")})
    with pytest.raises(UserError, match=r"extra\.flowers: .* has a task 'flowers' already"):
        find_task(settings, "flowers")


def test_a_table_may_have_the_optional_columns(tmp_path):
    header = (*COLUMNS, "flip", "test_share")
    rows = ({**GOOD, "flip": "true", "test_share": ""},
            {**GOOD, "name": "b", "flip": "", "test_share": "0.2"})  # fmt: skip
    flowers, other = read_table(write_table(tmp_path / "a.tsv", *rows, header=header)).values()
    assert (flowers.flip, flowers.test_share) == (True, None)
    assert (other.flip, other.test_share) == (False, 0.2)
    wrong = {**GOOD, "flip": "", "test_share": "2"}
    with pytest.raises(UserError, match=r":4: column 12 \(test_share\): .* less than 1, got '2'"):
        read_table(write_table(tmp_path / "b.tsv", wrong, header=header))
    with pytest.raises(UserError, match="behind them perhaps test_share, flip"):
        read_table(write_table(tmp_path / "c.tsv", GOOD, header=(*COLUMNS, "flop")))


@pytest.mark.parametrize(
    ("given", "problem"),
    [({"group": "part("}, "not a regular expression"), ({"fit": "stretch"}, "'crop' or 'pad'"),
     ({"test_share": 1.5}, "less than 1"), ({"flip": "perhaps"}, "valid boolean")],
)  # fmt: skip
def test_options_of_a_folder_are_checked_with_the_configuration(given, problem):
    with pytest.raises(ValueError, match=problem):
        ExtraTask(folder="x", **given)


def test_resources_stand_for_the_folder_of_the_configuration(tmp_path):
    path = write_table(tmp_path / "t.tsv", {**GOOD, "source": "{resources}/tasks/flowers"})
    row = read_table(path)["flowers"]
    assert row.place("/elsewhere").folders == (Path("/elsewhere/tasks/flowers"),)


@given(st.lists(st.text(string.printable, max_size=30), max_size=12), st.booleans())
def test_any_table_is_read_or_refused_with_its_place(cells, headed):
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.tsv"
        header = "\t".join(COLUMNS) + "\n" if headed else ""
        path.write_text(header + "\t".join(cells), encoding="utf-8")
        try:
            read_table(path)
        except UserError as error:
            assert str(path) in str(error)


def test_jobs_ask_for_the_memory_of_a_whole_task():
    assert Tasks().memory_mb() < 4200
    assert Tasks(image_size=256, most_images=None).memory_mb() > 20_000  # SVHN, 256 px
