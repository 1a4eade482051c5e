"""The published one-attribute experiment at its real size: the distribution is recovered."""

import json

import pytest


@pytest.mark.slow
def test_tyol_1attr_recovers_the_distribution_of_the_yaw(project):
    """Published: mean 94 to 96, spread 0.03, after 400,000 renders."""
    project.configure({})
    project.make("results/metasim/tyol_1attr.seed11")
    folder = project.folder / "results/metasim/tyol_1attr.seed11"
    summary = json.loads((folder / "summary.json").read_text())
    yaw = summary["attributes"]["yaw"]
    assert summary["converged"], summary["verdict"]
    assert abs(yaw["generated"]["mean"] - 90) <= 1
    assert 8 <= yaw["generated"]["std"] <= 12
    assert yaw["wasserstein"] <= 1.5
    assert abs(yaw["prior"]["mean"] - 180) <= 1
    assert summary["renders"] <= 40_000
