"""Classes with models that take turns, so that any stretch of a set's images is balanced."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np


class ClassOfModels(Protocol):
    """One class of a set: its name, its noun of WordNet, and models that have names."""

    @property
    def name(self) -> str: ...

    @property
    def wordnet_id(self) -> str: ...

    @property
    def models(self) -> tuple[Any, ...]: ...


@dataclass(frozen=True, eq=False)
class Classes:
    """C categories with M models."""

    categories: tuple[ClassOfModels, ...]

    @cached_property
    def models(self) -> tuple[Any, ...]:
        """All models, those of a category side by side."""
        return tuple(model for category in self.categories for model in category.models)

    def classes_of(self, indices: np.ndarray) -> np.ndarray:
        """Return the class of each image, int [B] of int [B]: they take turns."""
        return np.asarray(indices) % len(self.categories)

    def models_of(self, indices: np.ndarray) -> np.ndarray:
        """Return the model of each image, int [B] of int [B]: a class's models take turns."""
        turns, labels = np.divmod(np.asarray(indices), len(self.categories))
        counts = np.array([len(category.models) for category in self.categories])
        first = np.cumsum(counts) - counts
        return first[labels] + turns % counts[labels]
