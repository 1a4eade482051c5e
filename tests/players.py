"""Stand-ins for Unity players, and scenes for them."""

from pathlib import Path

import numpy as np
from conftest import ROOT

from simtailor.render.checked import CheckedRenderer
from simtailor.render.creation import create_renderer
from simtailor.render.standins.__main__ import write_stand_in
from simtailor.render.standins.scenes import bars
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch
from simtailor.seeds import generator

PATIENT = {"start_timeout": 120, "timeout": 60}


def scenes(count: int, attributes: int = 3) -> SceneGraphBatch:
    """Return scenes of 3D-TYOL."""
    path = ROOT / f"config/grammars/tyol_{attributes}attr.json"
    return Grammar.read(path).sample(count, generator(0, "players"))


def expected(graphs: SceneGraphBatch, size: int) -> np.ndarray:
    """Return the pictures that a stand-in draws with bars."""
    return bars(size)([graphs.to_node_link(index) for index in range(len(graphs))])


def stand_in(folder: Path, protocol: str, *options: str, drawing: str = "bars") -> Path:
    """Write a stand-in, named as the published build is."""
    path = folder / "Builds" / "3dv1.x86_64"
    return write_stand_in(path, protocol, ["--drawing", drawing, *options])


def player(folder: Path, protocol: str, *options: str, **stage) -> CheckedRenderer:
    """Return a renderer by a stand-in."""
    build = stand_in(folder, protocol, *options)
    return create_renderer(protocol, **{"build": str(build), **PATIENT, **stage})
