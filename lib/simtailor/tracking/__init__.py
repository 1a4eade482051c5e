"""Curves of trainings and evaluations in a tracker: TensorBoard, Trackio, W&B or MLflow.

The stages say ``track(step, values)`` and know of no tracker. A script of the workflow opens the
one that the configuration names; without one, nothing happens.
"""

from simtailor.tracking.current import track

__all__ = ["track"]
