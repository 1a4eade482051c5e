"""Scenes described by a probabilistic grammar and by batches of scene graphs."""

from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

__all__ = ["Grammar", "SceneGraphBatch", "SceneGraphLayout"]
