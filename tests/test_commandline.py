"""Mistakes in a command line of Snakemake are explained before it starts."""

import pytest

from simtailor.commandline import check
from simtailor.errors import UserError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "good.yaml").write_text("seed: 3\n")
    (tmp_path / "tabs.json").write_text('{\n\t"seed": 3\n}\n')
    (tmp_path / "broken.yaml").write_text("seed: 3\nstudy: [1\nother: 2\n")
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
]


@pytest.mark.parametrize("line", RIGHT)
def test_a_right_command_line_passes(line):
    check(line.split())


WRONG = [
    ("--configfile absent.yaml -- x", ["absent.yaml", "No such file"]),
    ("--configfile goood.yaml -- x", ["Did you mean 'good.yaml'?"]),
    ("--configfile some_folder -- x", ["some_folder", "this is a folder"]),
    ("--configfile broken.yaml -- x", ["broken.yaml:3:6: this is no YAML"]),
    ("--configfile good.yaml broken.yaml -n", ["broken.yaml:3:6"]),
    ("--configfile=broken.yaml x", ["broken.yaml:3:6"]),
    ("--configfile list.yaml", ["list.yaml: expected keys and values"]),
    ("--configfile latin.yaml", ["latin.yaml: this is no text in UTF-8"]),
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
