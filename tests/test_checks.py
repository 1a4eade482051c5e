"""What of the configuration is refused, mended or warned of while planning."""

import os
from pathlib import Path

import pytest
import yaml

from simtailor import checks, devices
from simtailor.checks import check_configuration
from simtailor.config import Configuration, experiment_names, load_configuration, load_experiment
from simtailor.devices import check_device
from simtailor.errors import UserError

FILE = "mine.yaml"


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOT_SET", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Path("config/experiments").mkdir(parents=True)


def load(text: str) -> Configuration:
    Path(FILE).write_text(text)
    return load_configuration(yaml.safe_load(text), [FILE])


def check(text: str, local: bool = True) -> list[str]:
    return check_configuration(load(text), yaml.safe_load(text), [FILE], local)


SIMULATION = "task2sim:\n  simulation:\n    {}\n"
TASKS = "task2sim:\n  tasks:\n    {}\n"
REFUSED = {
    "empty folder": ("results: ''", 1, "results: the name of a folder or file is empty"),
    "blank folder": ("work: '  '", 1, "work: the name of a folder or file is empty"),
    "tilde alone": ("results: ~", 1, "YAML reads ~"),
    "project": ("results: .", 1, "the project's folder"),
    "above the project": ("work: ..", 1, "the project's folder or one around it"),
    "root": ("resources: /", 1, "the project's folder or one around it"),
    "braces": ("results: a{b}", 1, "braces stand for wildcards"),
    "variable": ("results: $NOT_SET/a", 1, "the environment has no such variable"),
    "user": ("results: ~nobody-of-this-name/a", 1, "there is no such user"),
    "trailing space": ("results: 'a '", 1, "begins or ends with a space"),
    "file in the way": ("seed: 1\nresults: mine.yaml", 2, "'mine.yaml' is a file and not a folder"),
    "file above": ("work: mine.yaml/a/b", 1, "'mine.yaml' is a file"),
    "dangling link": ("results: dangling/a", 1, "a link to 'nowhere', which is not there"),
    "own folder": ("results: lib", 1, "'lib' holds files of the project itself"),
    "in an own folder": ("work: ./docs/x", 1, "'docs' holds files of the project itself"),
    "hidden folder": ("work: .snakemake", 1, "'.snakemake' holds files of the project itself"),
    "address": ("results: s3://bucket/x", 1, "an address on the network"),
    "empty pack": (SIMULATION.format("packs: ['folder:']"), 3, "folder or file is empty"),
    "empty task": (TASKS.format("extra: {a: {folder: ''}}"), 3, "folder or file is empty"),
    "long name": (f"results: {'a' * 300}", 1, "cannot be a folder (File name too long)"),
    "same folder": ("results: out\nwork: ./out/", 1, "is the folder 'work' too"),
    "inside": ("work: results/task2sim/a", 1, "lies in a folder of 'results'"),
    "device": ("device: tpu", 1, "'tpu' is not possible. The key's meaning: 'cpu', 'cuda'"),
    "name twice": (TASKS.format("names: [mnist, a, mnist]"), 3, "stands twice, as entries 1 and 3"),
    "pack twice": (SIMULATION.format("packs: [a, a]"), 3, "'a' stands twice"),
    "truth value": (TASKS.format("names: [no]"), 3, "put quotes around the word"),
    "number as a name": (TASKS.format("names: [3]"), 3, "Put quotes around it"),
    "name of a task": (TASKS.format("extra: {a b: {folder: x}}"), 3, "use letters a to z"),
    "number as a key": (TASKS.format("extra: {1: {folder: x}}"), 3, "a key must be a text, got 1"),
    "key yes": ("seed: 1\nyes: 2", 2, "YAML reads yes, on and true as a truth value"),
    "experiment": ("metasim:\n  experiments:\n    grün: {}", 3, "use letters a to z"),
    "seed in a name": ("metasim:\n  experiments:\n    a.seed3: {}", 3, "use letters a to z"),
    "exponent": (SIMULATION.format("images: 1e3"), 3, "Write 1000, without quotes"),
    "quoted number": ("seed: '3'", 1, "Write 3, without quotes"),
    "truth as a number": (
        "task2sim:\n  pretrain:\n    learning_rate: on",
        3,
        "expected a number",
    ),
    "not finite": ("task2sim:\n  pretrain:\n    learning_rate: .inf", 3, "finite number, got inf"),
    "missing in a section": (TASKS.format("extra: {a: {title: x}}"), 3, "folder: this key is miss"),
    "key twice": ("seed: 1\nseed: 2", 2, "the key 'seed' stands twice"),
    "no disk": (SIMULATION.format("images: 1000000000000"), 3, "more than the whole disk"),
    "too many parts": (SIMULATION.format("parts: 7"), 3, "cannot share the 3 shards"),
    "too many seeds": ("task2sim:\n  evaluate:\n    repeats: {seeds: 1000000}", 3, "jobs; at most"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_file_line_key_and_fix(case):
    text, line, words = REFUSED[case]
    os.symlink("nowhere", "dangling")
    with pytest.raises(UserError) as caught:
        check(text)
    message = str(caught.value)
    assert message.startswith(f"{FILE}:{line}: ")
    assert len(message.splitlines()) == 1
    assert words in message


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("out/", "out"),
        ("./out//a", "out/a"),
        ("~/out", "{home}/out"),
        ("$HOME/out", "{home}/out"),
        ("my results, new", "my results, new"),
        ("../beside", "../beside"),
    ],
)
def test_a_folder_is_read_as_it_is_meant(given, meant):
    configuration = load(f"results: '{given}'")
    assert configuration.results == meant.format(home=os.environ["HOME"])
    assert check(f"results: '{given}'") == []


def test_paths_of_input_are_filled_in(monkeypatch):
    monkeypatch.setenv("PHOTOS", "/photos")
    task = load(
        "task2sim:\n  tasks: {extra: {a: {folder: $PHOTOS/a}}}\n"
        "  simulation: {packs: [builtin, 'folder:~/x']}\n"
    ).task2sim
    home = os.environ["HOME"]
    assert task.tasks.extra["a"].folder == "/photos/a"
    assert task.simulation.packs == ["builtin", f"folder:{home}/x"]
    text = (
        "metasim: {experiments: {a: {grammar: ~/g.json, target: {folder: $PHOTOS}, "
        "features: {weights: ~/w.pth}}}}"
    )
    experiment = load_experiment(load(text), "a", [FILE])
    assert (experiment.grammar, experiment.target.folder) == (f"{home}/g.json", "/photos")
    assert experiment.features.weights == f"{home}/w.pth"


@pytest.mark.parametrize("key", ["folder", "grammar"])
def test_an_empty_target_is_not_the_projects_folder(key):
    text = f"metasim: {{experiments: {{a: {{grammar: g, target: {{{key}: ''}}}}}}}}"
    with pytest.raises(UserError, match=rf"target\.{key}: the name of a folder or file is empty"):
        load_experiment(load(text), "a", [FILE])


def test_a_folder_that_cannot_be_written_is_refused(monkeypatch):
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    with pytest.raises(UserError, match=r"^mine\.yaml:1: results: '.*' cannot be written here"):
        check("results: out")


def test_numbers_as_they_are_written():
    text = "task2sim:\n  pretrain:\n    learning_rate: 1e-3\n  simulation:\n    images: 1_000\n"
    study = load(text).task2sim
    assert (study.pretrain.learning_rate, study.simulation.images) == (0.001, 1000)


def test_less_than_is_free_is_warned_of(monkeypatch):
    monkeypatch.setattr(
        checks.shutil, "disk_usage", lambda place: type("Disk", (), {"total": 9e12, "free": 1e9})
    )
    (warning,) = check(SIMULATION.format("images: 1000000"))
    assert "1.0 GB free" in warning
    assert "at least 5.6 GB" in warning


@pytest.mark.parametrize(
    ("device", "seen", "words"),
    [("cuda", 0, "no GPU is seen here"), ("cuda:9", 1, "only 1 GPU(s) are seen"), ("cuda", 1, "")],
)
def test_a_device_that_is_not_here_is_a_warning_where_jobs_run_here(
    monkeypatch, device, seen, words
):
    monkeypatch.setattr(devices, "gpu_count", lambda: seen)
    warnings = check(f"device: {device}")
    assert [words in w for w in warnings] == [True] * bool(words)
    assert check(f"device: {device}", local=False) == []


def test_a_job_stops_without_its_device(monkeypatch):
    import torch  # noqa: PLC0415

    check_device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"'device': 'cuda', but torch .* sees no GPU"):
        check_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_device("cuda:0")
    with pytest.raises(UserError, match=r"sees 1 GPU\(s\)"):
        check_device("cuda:9")


def test_names_of_experiment_files():
    text = "grammar: bar.json\ntarget: {grammar: bar.json}\n"
    for name in ("good.yml", "grün.yaml", "a.b.yaml", "my exp.yaml", "x.seed3.yaml"):
        Path("config/experiments", name).write_text(text)
    configuration = load("seed: 0")
    assert "good" in experiment_names(configuration)
    assert load_experiment(configuration, "good", []).grammar == "bar.json"
    warnings = check("seed: 0")
    assert len(warnings) == 4
    assert all("no target can ask for the experiment" in line for line in warnings)
    with pytest.raises(
        UserError, match=r"my exp\.yaml: the name of an experiment's file cannot be"
    ):
        load_experiment(configuration, "my exp", [])
    Path("config/experiments/good.yaml").write_text(text)
    with pytest.raises(UserError, match="is the same experiment"):
        load_experiment(configuration, "good", [])
    (warning,) = check("metasim: {experiments_folder: absent}")
    assert "'absent' is no folder" in warning
