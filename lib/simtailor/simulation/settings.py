"""The keys ``task2sim.simulation`` of the configuration."""

from __future__ import annotations

from simtailor.section import Section


class Simulation(Section):
    """Simulated sets: which sets are made, how large, with which assets."""
