# SPDX-License-Identifier: MIT
"""The class that outputs stand for: that of the largest, and none where one is NaN, which NumPy calls the largest."""

from __future__ import annotations

import numpy as np

NONE = -1
"""The class of a sample with an output that is NaN: no label is equal to it."""


def predicted(outputs) -> np.ndarray:
    """The class (n,) of the largest output of each sample; NONE where one of them is NaN."""
    classes = outputs.argmax(axis=1)
    classes[np.isnan(outputs).any(axis=1)] = NONE
    return classes


def surely_predicted(outputs, name: str = "outputs") -> np.ndarray:
    """The class (n,) of the largest output of each sample; raises ValueError where one of them is NaN."""
    classes = predicted(outputs)
    bad = np.flatnonzero(classes == NONE)
    if bad.size:
        got = f"NaN in {bad.size} of {len(outputs)} samples, first {bad[0]}"
        raise ValueError(f"{name}: expected numbers, got {got}: the parameters have grown too large, or an input is")
    return classes
