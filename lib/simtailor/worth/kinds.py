"""The kinds of tasks that the worth of a fit is measured by.

Adding one: a ``Kind`` in a module of its own, its network in ``networks``, its rows in both tables.
"""

from __future__ import annotations

from simtailor.worth.kind import Kind
from simtailor.worth.regression import Regression
from simtailor.worth.segmentation import Segmentation
from simtailor.worth.settings import REGRESSION, SEGMENTATION

KINDS: dict[str, Kind] = {REGRESSION: Regression(), SEGMENTATION: Segmentation()}
