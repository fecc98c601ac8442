# SPDX-License-Identifier: MIT
"""What users of scikit-learn's interface give: samples, their weights, classes and seeds, checked (extra `sklearn`)."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import _check_sample_weight, validate_data

from bpfree.errors import check_count, check_unmasked


def validated(estimator, x, *y, **options):
    """What scikit-learn's `validate_data` makes of x and y, which drops masks without a word."""
    refuse_masks(**dict(zip(("X", "y"), (x, *y))))
    return validate_data(estimator, x, *y, dtype=np.float64, **options)


def refuse_masks(**arrays) -> None:
    """Raise TypeError for a masked array, by its name."""
    for name, given in arrays.items():
        check_unmasked(name, given)


def checked_weights(sample_weight, x):
    """Weights (n,) of the samples, finite and not negative; None for None."""
    if sample_weight is None:
        return None
    refuse_masks(sample_weight=sample_weight)
    weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise ValueError(f"sample_weight: expected some that are not zero, got {len(weights)} zeros")
    return weights


def moments(rows, weights) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of columns, each row as often as its weight says."""
    if weights is None:
        return rows.mean(axis=0), rows.std(axis=0)
    mean = np.average(rows, axis=0, weights=weights)
    return mean, np.sqrt(np.average(np.square(rows - mean), axis=0, weights=weights))


def check_two(classes) -> None:
    """Raise ValueError for a single class, between which there is nothing to choose."""
    if len(classes) < 2:
        raise ValueError(f"y: expected at least two classes, got one class: {classes}")


def seed_of(random_state) -> int:
    """A seed of ours from what scikit-learn's users give."""
    if random_state is None:
        random_state = np.random.default_rng()
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**32))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**32, dtype=np.uint32))
    return check_count("random_state", random_state, 0, 2**32 - 1)
