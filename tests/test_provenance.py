"""The file that says where a result comes from."""

import json
from importlib.metadata import version
from types import SimpleNamespace

from simtailor import provenance
from simtailor.provenance import changed_files, digest_of, provenance_of, write_provenance


def job(outputs, inputs=(), **values):
    """Return a finished job, as Snakemake's scripts know it: values with and without names."""

    class Named(list):
        items = staticmethod(dict(values).items)

    return SimpleNamespace(
        rule="simulate_set",
        wildcards=Named(),
        input=[str(path) for path in inputs],
        output=[str(path) for path in outputs],
        params=Named(),
        config={"seed": 3, "results": "results"},
    )


def made_folder(path):
    (path / "images").mkdir(parents=True)
    (path / "images/a.txt").write_text("a")
    (path / ".snakemake_timestamp").write_text("")
    return path


def test_a_folder_and_a_file_say_what_made_them(tmp_path):
    folder, file, given = made_folder(tmp_path / "set"), tmp_path / "one.json", tmp_path / "given"
    file.write_text("{}")
    given.write_text("x")
    write_provenance(job([folder, file], [given], seed=3, settings={"images": 8}, cache="else"))
    said = json.loads((folder / "provenance.json").read_text())
    assert said["rule"] == "simulate_set"
    assert said["settings"] == {"seed": 3, "settings": {"images": 8}}  # not where its cache is
    assert said["configuration"]["seed"] == 3
    assert said["packages"]["torch"] == version("torch")
    assert list(said["files"]) == ["images/a.txt"]
    assert said["inputs"] == {str(given): digest_of(given)}
    of_file = json.loads((tmp_path / "one.provenance.json").read_text())
    assert of_file["files"] == {"one.json": digest_of(file)}


def test_the_same_result_says_the_same_and_a_changed_file_is_found(tmp_path):
    folder = made_folder(tmp_path / "set")
    write_provenance(job([folder]))
    before = provenance_of(folder).read_bytes()
    write_provenance(job([folder]))
    assert provenance_of(folder).read_bytes() == before
    assert changed_files(folder) == []
    (folder / "images/a.txt").write_text("b")
    (folder / "new.txt").write_text("")
    assert changed_files(folder) == ["images/a.txt", "new.txt"]


def test_a_result_of_a_changed_input_has_another_provenance(tmp_path):
    """So a backbone's says which set, and that set's which assets."""
    first, second = made_folder(tmp_path / "set"), made_folder(tmp_path / "backbone")
    write_provenance(job([first], settings=1))
    write_provenance(job([second], [first]))
    before = digest_of(second)
    write_provenance(job([first], settings=2))
    write_provenance(job([second], [first]))
    assert digest_of(second) != before


def test_no_commit_of_another_project_is_named(tmp_path, monkeypatch):
    """Installed as a package, perhaps inside of somebody's repository."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    provenance._code.cache_clear()
    folder = made_folder(tmp_path / "set")
    write_provenance(job([folder]))
    said = json.loads((folder / "provenance.json").read_text())
    assert said["commit"] is None
    assert said["simtailor"] == version("simtailor")
    provenance._code.cache_clear()
