# SPDX-License-Identifier: MIT
"""What the first losses of a function say against the defaults, and what to do about it."""

from __future__ import annotations

import numpy as np

from bpfree.estimators.cge import CGE

EPSILON, OF_SLOPE, LEAST = 1e-20, 1e-10, 1e-37
"""Adam's epsilon, the part of the first slope that it is at most, and the least that it can be."""

APART, ROUNDING = 1e3, 1e-12
"""Sizes of parameters so far apart are told; and the part of losses that second differences must be to count."""

ELSEWHERE = "start where it is finite on both sides, or give estimator= with a mu that stays there"


def epsilon_of(slope: float, dtype) -> float:
    """Adam's epsilon for losses of which the first slope is this: without a part in the steps.

    In float32 the squares of slopes below 1e-19 are 0, and a smaller epsilon would be divided by.
    """
    if dtype == np.float32 or not 0 < slope < np.inf:
        return EPSILON
    return float(np.clip(OF_SLOPE * slope, LEAST, EPSILON))


def first_advice(estimator, values, loss: float, noise: float, slope: float, dtype) -> str:
    """Advice from the losses (n_probes, samples) of the first gradient; empty where nothing stands out."""
    if not np.isfinite(values).any() or not np.isfinite(loss):
        return f"the loss is not finite at theta0 or around it: {ELSEWHERE}"
    told, least = [], 1e-18 if dtype == np.float32 else 10 * LEAST
    if 0 < slope < least:
        told.append(
            f"slopes of {slope:.2g} are too small for {np.dtype(dtype).name}: multiply the loss by {1 / slope:.0e}"
        )
    sizes = _sizes(estimator, values, loss, noise)
    if len(sizes) > 1 and max(sizes) > APART * min(sizes):
        told.append(
            f"parameters differ in size by {max(sizes) / min(sizes):.0e}, and steps are equally long in all: "
            "minimise over theta / size, where size is about how far each one may go"
        )
    return "; ".join(told)


def _sizes(estimator, values, loss: float, noise: float) -> np.ndarray:
    """1 / sqrt|second derivative| of every parameter that has one beyond noise and rounding, by coordinates."""
    if not (isinstance(estimator, CGE) and estimator.two_sided):
        return np.zeros(0)
    means = values.mean(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        seconds = np.abs(means[0::2] + means[1::2] - 2 * loss)
        rounding = ROUNDING * np.maximum(np.abs(means[0::2]), np.abs(means[1::2])) + 16 * noise
    return seconds[np.isfinite(seconds) & (seconds > np.maximum(rounding, ROUNDING * abs(loss)))] ** -0.5
