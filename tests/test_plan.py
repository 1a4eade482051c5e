"""The plan of a study, and dry runs of the configurations that come with the project."""

import re
import subprocess
import sys

import pytest
import yaml

from simtailor.config import load_configuration
from simtailor.errors import UserError
from simtailor.plan import Rates, describe_plan, multiplications, plan_study
from simtailor.simulation.inputs import set_names

ROOT_RATES = "config/rates.tsv"
HEADER = "stage\tdevice\twork\trate\tbasis\tconditions\tsource\n"


def planned(project, name):
    """Return configuration, sets and stages of a configuration file of the project."""
    path = project.folder / f"config/{name}.yaml"
    configuration = load_configuration(yaml.safe_load(path.read_text()), [path])
    sets = set_names(configuration.task2sim.simulation)
    tasks = len(configuration.task2sim.tasks.names)
    return configuration, sets, tasks, Rates(project.folder / ROOT_RATES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("config", {"simulate_set": 16, "evaluate_set": 16, "pretrain": 16, "equal_steps": 16}),
        ("gpu", {"simulate_set": 64, "prepare_task": 9, "pretrain": 64}),
        ("paper", {"simulate_set": 264, "prepare_task": 20, "evaluate_set": 264}),
    ],
)
def test_the_dry_run_has_the_jobs_of_the_plan(project, name, expected):
    options = ("-n", "-q", "rules", "--configfile", f"config/{name}.yaml")
    run = project.snakemake("reward_db", options=options)
    assert run.returncode == 0, run.stderr[-3000:]
    output = run.stdout + run.stderr
    jobs = {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}
    assert {rule: jobs[rule] for rule in expected} == expected
    configuration, sets, tasks, rates = planned(project, name)
    # Packages that a run before has fetched are not fetched again.
    fetched = jobs.get("fetch_package", 0)
    stages = plan_study(configuration, sets, tasks, fetched, rates)
    assert sum(stage.jobs for stage in stages) == jobs["total"]
    # The images of published tasks are the user's; a study is planned before they are there.
    assert ("cannot be prepared yet" in output) == (name == "paper")


@pytest.mark.slow
def test_a_dry_run_forgives_a_folder_that_is_absent_but_none_that_is_wrong(project):
    extra = {"mine": {"folder": "photos", "title": "Mine"}}
    project.configure({}, task2sim={"tasks": {"extra": extra}})
    target = "work/task2sim/tasks/mine"
    absent = project.snakemake(target, options=("-n",))
    assert absent.returncode == 0, absent.stderr[-2000:]
    assert "task 'mine' cannot be prepared yet" in absent.stdout + absent.stderr
    (project.folder / "photos").mkdir()
    wrong = project.snakemake(target, options=("-n",))
    assert wrong.returncode == 1
    assert "it has no images" in wrong.stdout + wrong.stderr


def test_the_published_study_is_sized_as_published(project):
    configuration, sets, tasks, rates = planned(project, "paper")
    stages = {stage.stage: stage for stage in plan_study(configuration, sets, tasks, 0, rates)}
    assert stages["render"].items == (256 + 8) * 40_000
    assert stages["pretrain"].items == (256 + 8) * 40_000 * 100
    assert stages["pretrain"].device == "cuda"
    assert stages["augment"].items == stages["pretrain"].items  # RandAugment, on cores
    assert stages["augment"].device == "cpu"
    assert 50 < stages["render"].gigabytes < 500
    text = describe_plan(configuration, sets, tasks, list(stages.values()), 16)
    assert "256 sets x 40,000 images at 256 px, resnet50" in text
    assert all(stage.rate.basis in text for stage in stages.values())


def test_sets_by_threedworld_are_planned_at_its_own_rate(project):
    configuration, sets, tasks, rates = planned(project, "config")
    simulation = configuration.task2sim.simulation
    by_build = simulation.model_copy(update={"renderer": "tdw"})
    study = configuration.task2sim.model_copy(update={"simulation": by_build})
    other = configuration.model_copy(update={"task2sim": study, "device": "cpu"})
    stages = plan_study(other, sets, tasks, 0, rates)
    own, by_tdw = plan_study(configuration, sets, tasks, 0, rates)[1], stages[1]
    assert by_tdw.stage == "render tdw" and by_tdw.device == "cuda"
    assert by_tdw.items == own.items and by_tdw.jobs == own.jobs - 2  # neither kernels nor assets
    assert by_tdw.rate.basis == "assumed" and "no build was ever run" in by_tdw.rate.source
    smaller = simulation.model_copy(update={"renderer": "tdw", "image_size": 64, "samples": 9})
    study = configuration.task2sim.model_copy(update={"simulation": smaller})
    other = configuration.model_copy(update={"task2sim": study})
    assert plan_study(other, sets, tasks, 0, rates)[1].rate.seconds == by_tdw.rate.seconds
    assert "render tdw" in describe_plan(other, sets, tasks, stages, 16)


@pytest.mark.slow
def test_the_plan_is_printed_and_makes_nothing(project):
    run = project.make("plan")
    assert "Reward database: 8 sets x" in run.stdout
    assert re.search(r"With 2 cores: about \d+ minutes", run.stdout)
    assert re.search(r"^tyol_5attr +tabletop +128 +47,200 +4\.8  measured$", run.stdout, re.M)
    assert "Assumed: " in run.stdout
    assert not (project.folder / "results").exists()


def test_multiplications_are_those_of_the_literature():
    giga, weights = multiplications("resnet50", {}, 224)
    assert giga == pytest.approx(4.09, abs=0.02)  # He et al. 2016 give 3.8, without shortcuts
    assert weights == pytest.approx(23.7e6, rel=0.01)  # with 100 classes


def test_the_workflow_is_planned_without_large_packages(project):
    """Torch alone would cost more than planning 800 jobs, in every job of a cluster again."""
    large = {"torch", "timm", "warp", "scipy", "matplotlib", "networkx", "trimesh", "sklearn"}
    tell = f"lambda: print('large:', *{large} & set(sys.modules), file=sys.stderr)"
    told = f"\n\nimport atexit, sys\n\natexit.register({tell})\n"  # when all jobs are planned
    with open(project.folder / "Snakefile", "a") as file:
        file.write(told)
    # A start of its own: other tests fork Snakemake from a process that has imported much.
    command = [sys.executable, "-m", *project.command("reward_db", options=("-n",))]
    run = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines().count("large:") == 1


def test_every_rate_says_where_it_comes_from(project):
    table = Rates(project.folder / ROOT_RATES).table
    assert set(table.basis) <= {"measured", "inferred", "assumed"}
    assert table.source.str.len().min() > 5
    assert (table.rate > 0).all()


def test_rates_are_scaled_by_work_and_say_so(tmp_path):
    table = tmp_path / "rates.tsv"
    rows = ["render\tcpu\t0.01\t100\tmeasured\tsmall\ta", "render\tcpu\t0.1\t5\tmeasured\tlarge\tb"]
    table.write_text(HEADER + "\n".join(rows) + "\n")
    rates = Rates(table)
    assert (rates.rate("render", "cpu", 0.01).seconds, rates.rate("render", "cpu", 0.01).basis) == (
        pytest.approx(0.01), "measured",
    )  # fmt: skip
    scaled = rates.rate("render", "cpu", 0.2)
    assert (scaled.seconds, scaled.basis) == (pytest.approx(0.4), "measured, scaled")
    assert "large (b)" in scaled.source
    with pytest.raises(UserError, match=r"rates\.tsv: no rate of 'render' on 'cuda'"):
        rates.rate("render", "cuda", 1)
    table.write_text("stage,rate\nrender,5\n")
    with pytest.raises(UserError, match=r"rates\.tsv: expected the columns stage, device"):
        Rates(table)
