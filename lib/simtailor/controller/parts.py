"""Pieces of the comparison of policies, and their names."""

from __future__ import annotations

from dataclasses import dataclass

SPLIT, LEFT_OUT, FEW_SHOT = "split", "left_out", "few_shot"


@dataclass(frozen=True)
class Part:
    """One piece of the evaluation, done by one process.

    Attributes:
        kind: ``split`` trains on the seen tasks and acts on all, ``left_out`` trains on all
            tasks but one and acts on that, ``few_shot`` tries sets on a task left out.
        policy: name; empty for ``few_shot``.
        place: of the task left out; -1 for ``split``.
    """

    kind: str
    policy: str
    place: int = -1

    @property
    def name(self) -> str:
        return "-".join(p for p in (self.kind, self.policy, str(self.place)) if p not in ("", "-1"))
