"""Whether a build's labels are those of the graphs that were sent, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

TOLERANCE = 0.5  # in the attribute's own unit; labels may be rounded
TURN = 360.0  # degrees


class LabelCheck:
    """Compares labels with graphs, batch by batch.

    In which unit a build labels what, nobody says. So a label counts once it was that of its
    graph for a whole batch; from then on it has to be. Before that only labels count that are
    the values of the batch in another order.
    """

    def __init__(self) -> None:
        self._trusted: set[str] = set()

    def complaint(self, graphs: Sequence[dict[str, Any]], labels: Sequence[dict[str, Any]]) -> str:
        """Return what is wrong; empty if nothing is, or the labels do not tell.

        Args:
            graphs: B graphs as they were sent.
            labels: B labels, by attribute.
        """
        sent = [_values(graph) for graph in graphs]
        for name in sorted(set.intersection(*map(set, sent), *map(set, labels))):
            if not all(_is_number(of_one[name]) for of_one in labels):
                continue
            wanted, found = (np.array([of_one[name] for of_one in part]) for part in (sent, labels))
            wrong = np.flatnonzero(_apart(found, wanted))
            if not len(wrong):
                self._trusted.add(name)
                continue
            shuffled = not _apart(np.sort(found % TURN), np.sort(wanted % TURN)).any()
            if name in self._trusted or shuffled:
                place = int(wrong[0])
                return (
                    f"picture {place} has the label {name} {found[place]:g}, and its graph "
                    f"{wanted[place]:g}"
                )
        return ""


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs((first - second + TURN / 2) % TURN - TURN / 2) > TOLERANCE


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _values(graph: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a graph's attributes, of those that only one node has."""
    found: dict[str, list[float]] = {}
    for node in graph["nodes"]:
        for name, value in node["attr"].items():
            if f"{name}_max" in node["attr"]:
                found.setdefault(name, []).append(value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}
