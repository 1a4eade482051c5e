"""Every profile plans the small study."""

import shutil
from importlib.util import find_spec

import pytest
from conftest import ROOT
from object_storage import s3_server

# Of the folder, "default" is loaded beside each.
PROFILES = sorted(path.name for path in (ROOT / "profiles").iterdir() if path.name != "default")
NEEDS = {"kubernetes": "snakemake_executor_plugin_kubernetes"}
UNUSED = "#- "
pytestmark = pytest.mark.slow


def planned(project, folder):
    """Return what a dry run with a profile says."""
    run = project.snakemake("backbones", options=("-n", "-q", "rules", "--profile", str(folder)))
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout + run.stderr


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_plans_the_small_study(project, name, monkeypatch):
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed: SIMTAILOR_EXTRAS={name}")
    folder = project.folder / "profiles" / name
    if "s3" not in (folder / "config.yaml").read_text():
        assert "simulate_set" in planned(project, folder)
        return
    with s3_server(monkeypatch):
        assert "simulate_set" in planned(project, folder)


def test_what_the_profile_of_slurm_leaves_to_the_user_is_accepted(project, tmp_path):
    folder = shutil.copytree(ROOT / "profiles/slurm", tmp_path / "mine")
    text = (folder / "config.yaml").read_text()
    common, _, yours = text.partition("# Yours.")
    assert yours.count(UNUSED) > 5
    # A key twice is an error: the user's takes the place of the other.
    common = common.replace("default-resources:\n  mem_mb: 2000\n  runtime: 60\n", "")
    (folder / "config.yaml").write_text(common + "# Yours." + yours.replace(UNUSED, ""))
    assert "simulate_set" in planned(project, folder)
