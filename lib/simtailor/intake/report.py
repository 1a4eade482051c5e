"""What an intake found in a folder, took and passed over: for the job's log and its summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

MOST_REASONS = 6  # in one line


@dataclass
class IntakeReport:
    """The account of a folder of images.

    Attributes:
        folder: as the user gave it.
        found: number of files below it, service files among them.
        taken: number of images that may be used.
        passed_over: number of files by why they are not taken, with their suffix.
        notes: what a reader of the results should know, in sentences.
        split: which parts train and test, in words; empty where nothing is split.
        read: number of images that were read in the end, after a choice among them.
        converted: number of images by what was done to them.
    """

    folder: str
    found: int = 0
    taken: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    split: str = ""
    read: int = 0
    converted: Counter[str] = field(default_factory=Counter)

    def sentence(self) -> str:
        """Return the account in one sentence."""
        text = f"{self.found:,} files, {self.taken:,} images taken"
        if self.read and self.read != self.taken:
            text += f", {self.read:,} of them read"
        if self.passed_over:
            reasons = self.passed_over.most_common()
            listed = "; ".join(f"{count:,} {why}" for why, count in reasons[:MOST_REASONS])
            more = "; and others" if len(reasons) > MOST_REASONS else ""
            text += f"; passed over: {listed}{more}"
        return text

    def lines(self) -> list[str]:
        """Return what a job prints before it reads the images."""
        return [f"{self.folder}: {self.sentence()}", *self.notes]

    def summary(self) -> dict[str, Any]:
        """Return the account as plain values for JSON."""
        return {
            "folder": self.folder,
            "account": self.sentence(),
            "found": self.found,
            "taken": self.taken,
            "read": self.read,
            "passed_over": dict(self.passed_over),
            "split": self.split,
            "converted": dict(self.converted),
            "notes": list(self.notes),
        }
