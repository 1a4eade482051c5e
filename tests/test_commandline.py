"""Mistakes in a command line of Snakemake are explained before it starts."""

import pytest

from simtailor.commandline import check, words_of_profile
from simtailor.errors import UserError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "good.yaml").write_text("seed: 3\n")
    (tmp_path / "tabs.json").write_text('{\n\t"seed": 3\n}\n')
    (tmp_path / "broken.yaml").write_text("seed: 3\nstudy: [1\nother: 2\n")
    (tmp_path / "twice.yaml").write_text("seed: 3\nseed: 4\n")
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "latin.yaml").write_bytes("name: gr\xfcn\n".encode("latin-1"))
    (tmp_path / "some_folder").mkdir()
    (tmp_path / "profiles/slurm").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


RIGHT = [
    "",
    "-n reward_db",
    "--cores 8 results/metasim/tyol_1attr",
    "--cores all --configfile good.yaml -- reward_db",
    "--configfiles good.yaml tabs.json -n",
    "--configfile=good.yaml reward_db",
    "--config seed=3 device=cpu -- reward_db other",
    "-C seed=3 -n reward_db",
    "-c8 -npk reward_db",
    "--core 8",
    "-j unlimited",
    "--profile profiles/slurm",
    "--profile none",
    "-- --cors",
    "--forcerun train render -- results/x",
    "results/x --forcerun train results/y",
    "-n results/x -R train results/y",
    "--cores 2 -R train render",
    "--until results/x",
    "--quiet -- tasks",
    "--quiet rules progress --cores 2 tasks",
    "-nq rules",
    "--resources mem_mb=1 gpu=2 -n tasks",
    "--rerun-triggers mtime code -n",
    "--force train results/x",
    "--batch all=1/2 tasks",
]


@pytest.mark.parametrize("line", RIGHT)
def test_a_right_command_line_passes(line):
    check(line.split())


WRONG = [
    ("--configfile absent.yaml -- x", ["absent.yaml: no such file"]),
    ("--configfile goood.yaml -- x", ["Did you mean 'good.yaml'?"]),
    ("--configfile some_folder -- x", ["some_folder", "this is a folder"]),
    ("--configfile broken.yaml -- x", ["broken.yaml:3: not valid YAML", "column 6"]),
    ("--configfile good.yaml broken.yaml -n", ["broken.yaml:3: "]),
    ("--configfile=broken.yaml x", ["broken.yaml:3: "]),
    ("--configfile twice.yaml", ["twice.yaml:2: the key 'seed' stands twice"]),
    ("--configfile list.yaml", ["list.yaml:1: expected keys and values"]),
    ("--configfile latin.yaml", ["latin.yaml:1: byte 8 (0xfc) is not UTF-8"]),
    ("--configfile good.yaml reward_db", ["run snakemake --configfile good.yaml -- reward_db"]),
    (
        "--configfiles good.yaml tabs.json results/x y --cores 2",
        ["run snakemake --configfiles good.yaml tabs.json --cores 2 -- results/x y"],
    ),
    ("-n --configfile good.yaml some_folder", ["-n --configfile good.yaml -- some_folder"]),
    ("--config seed=3 reward_db", ["run snakemake --config seed=3 -- reward_db"]),
    ("--config seed=3 a=1 reward_db -- tasks", ["--config seed=3 a=1 -- reward_db tasks"]),
    ("-C seed=3 reward_db -n", ["run snakemake -C seed=3 -n -- reward_db"]),
    ("--config seed 3", ["--config seed: expected KEY=VALUE"]),
    ("--cores 0", ["--cores 0: expected a number of 1 or more"]),
    ("--cores=x", ["--cores x: expected"]),
    ("-c0 -n", ["--cores 0: expected"]),
    ("--cores -n reward_db -j 1.5", ["--jobs 1.5: expected"]),
    ("--core reward_db", ["--cores reward_db: expected"]),
    ("--profile slrum", ["no such profile. Did you mean 'slurm'?"]),
    ("--cores -1 tasks", ["--cores -1: expected a number of 1 or more"]),
    ("-n -R train results/x", ["'results/x' too", "run snakemake -n -R train -- results/x"]),
    ("--until tasks results/x --cores 2", ["run snakemake --until tasks --cores 2 -- results/x"]),
    ("--allowed-rules a b results/x", ["run snakemake --allowed-rules a b -- results/x"]),
    ("--resources mem_mb=1 tasks", ["run snakemake --resources mem_mb=1 -- tasks"]),
    ("--set-threads a=1 tasks -n", ["run snakemake --set-threads a=1 -n -- tasks"]),
    ("-nq tasks", ["run snakemake -nq -- tasks"]),
    ("--quiet rules tasks", ["run snakemake --quiet rules -- tasks"]),
    ("--rerun-triggers mtime tasks", ["run snakemake --rerun-triggers mtime -- tasks"]),
    ("--rerun-triggers nope", ["--rerun-triggers nope: expected some of code, input, mtime"]),
    (
        "--config a={b: {c: [d]}} tasks",
        ["--config 'a={b: {c: [d]}}'"],
    ),
    ("--cors 8 reward_db", ["Snakemake has no option --cors. Did you mean '--cores'?"]),
]


@pytest.mark.parametrize(("line", "words"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_command_line_is_explained(line, words):
    with pytest.raises(UserError) as error:
        check(line.split())
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("arguments", [["-n", ""], ["--", ""], ["tasks", ""], ["--cores", ""]])
def test_an_empty_word_is_named(arguments):
    with pytest.raises(UserError, match=rf"word {len(arguments)} of the command is empty"):
        check(arguments)


def test_a_cache_that_cannot_be_made_is_named(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/x")
    with pytest.raises(UserError, match=r"/dev/null is no folder .* set XDG_CACHE_HOME"):
        check(["-n"])


def test_the_default_profile_becomes_words_that_take_no_target(tmp_path):
    (tmp_path / "profiles/default").mkdir()
    settings = "rerun-incomplete: true\nprintshellcmds: false\nlogger: simtailor\n"
    (tmp_path / "profiles/default/config.yaml").write_text(settings)
    words = ["--workflow-profile=none", "--rerun-incomplete", "--logger=simtailor"]
    assert words_of_profile(["-n", "results/x"]) == words
    for given in (["--workflow-profile", "mine"], ["--workflow-profile=none"]):
        assert words_of_profile(given) == []
