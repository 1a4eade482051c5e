"""One rule for the features that a network makes of a task's images."""

from __future__ import annotations

import numpy as np

from simtailor.errors import UserError


def check_features(features: np.ndarray, network: str, task: str) -> None:
    """Check that features, floating point [N, D], are numbers that tell images apart.

    Whatever compares or classifies them would give an accuracy all the same.

    Args:
        network: says in messages which network it is, and task: the task's name.

    Raises:
        UserError: they are not finite, or the same for all images.
    """
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise UserError(
            f"{network} gives features that are not finite (NaN or infinity) for "
            f"{int((~finite).sum())} of {len(features)} images of the task '{task}'; its weights "
            "are damaged or its training diverged: make them again, with a lower learning rate "
            "where it was trained here"
        )
    if len(features) > 1 and (features == features[:1]).all():
        raise UserError(
            f"{network} gives the same features for all {len(features)} images of the task "
            f"'{task}'; its weights are dead, or the images are all alike (look at the task's "
            "contact_sheet.png): make the weights again, or leave the task out"
        )
