"""The keys ``task2sim.evaluate`` of the configuration."""

from __future__ import annotations

from simtailor.section import Section


class Evaluate(Section):
    """Evaluation of backbones on real tasks."""
