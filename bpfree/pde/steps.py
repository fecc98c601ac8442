# SPDX-License-Identifier: MIT
"""Differences whose steps fit the size of what is moved, for formulas that cannot be differentiated exactly."""

from __future__ import annotations

import numpy as np

STEP = 2.0**-9
"""Step of a difference of fourth order, relative to a size: it is exact for a cubic, up to rounding of 1e-13."""


@np.errstate(all="ignore")  # a step may leave the formula's domain: it is not chosen then
def difference(function, around):
    """Return the derivative of a function of a shift at 0, from values at four shifts of each of three sizes.

    around: what is shifted, a number or (n,); the function may return more axes before these.

    A step of 2^-9 (1 + |v|) is thousands of times too long for a coefficient of 1e-6 that divides, and one of 2^-9 |v|
    is lost in rounding where v is added to 1. So steps relative to |v|, to the mean size of all v, and to 1 + |v| are
    tried, and at each point the one is taken whose two differences, of second and of fourth order, agree best beside
    their rounding.
    """
    size = np.abs(np.asarray(around, float))
    mean = float(np.sqrt((size**2).mean())) or 1.0
    slope, least, refused, eps = None, None, None, np.finfo(float).eps
    for scale in (1.0 + size, np.full_like(size, mean), np.where(size > 0.0, size, mean)):
        step = STEP * scale
        try:
            (high, low), (higher, lower) = ((function(k * step), function(-k * step)) for k in (1, 2))
        except (ValueError, ArithmeticError) as error:  # math.sqrt(-1.0): as good as not finite
            refused = error
            continue
        coarse = (high - low) / (2 * step)
        fine = (8 * (high - low) - (higher - lower)) / (12 * step)
        off, whole = np.abs(fine - coarse), np.abs(fine) + np.abs(fine - coarse) + np.finfo(float).tiny
        uncertainty = (off / whole) ** 2 + eps * (np.abs(high) + np.abs(low)) / (step * whole)
        uncertainty = np.where(np.isfinite(uncertainty), uncertainty, np.inf)
        if slope is None:
            slope, least = fine, uncertainty
        else:
            better = uncertainty < least
            slope, least = np.where(better, fine, slope), np.where(better, uncertainty, least)
    if slope is None:
        raise refused
    return slope
