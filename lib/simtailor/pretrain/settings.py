"""The keys ``task2sim.pretrain`` of the configuration."""

from __future__ import annotations

from simtailor.section import Section


class Pretrain(Section):
    """Pre-training of a backbone on a simulated set."""
