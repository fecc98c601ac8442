# SPDX-License-Identifier: MIT
"""A loss whose samples have weights, for estimators that look at more of it than its values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bpfree.errors import check_unmasked
from bpfree.losses.table import Loss

_LAST_AXIS_IS_SAMPLES = ("values", "gradient", "change", "differences")
"""Functions of a row whose results end in samples, copy after copy of the batch."""


def weighed(loss: Loss, weights) -> Loss:
    """The row whose results, in the scores' precision, are multiplied by weights (n,); the row itself for None."""
    if weights is None:
        return loss

    def times(made, real):
        if callable(made):  # `differences` gives a function of the moves
            return lambda moves: times(made(moves), real)
        values = np.asarray(check_unmasked(f"loss: {loss.name!r}", made))
        if values.dtype.kind not in "biuf":
            return made  # no numbers: the row that is asked says so
        return values.astype(real, copy=False) * np.resize(weights, values.shape[-1:])

    def of(function):
        return lambda arithmetic, y, *others: times(function(arithmetic, y, *others), y.dtype)

    own = {name: getattr(loss, name) for name in _LAST_AXIS_IS_SAMPLES}
    return replace(loss, **{name: of(function) for name, function in own.items() if function is not None})
