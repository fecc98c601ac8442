# SPDX-License-Identifier: MIT
"""Checks, where a solve ends before it has begun, whether the Jacobian is that of the residuals."""

from __future__ import annotations

import numpy as np

from bpfree.pde.objective import Objective

EARLY = 5
"""A solve that stalls before this step may have a wrong Jacobian."""

WRONG = 1e-2
"""Share of a column by which differences may be off where it is right."""

STEPS = (1e-3, 1e-5, 1e-7)
"""Steps of the differences, relative to 1 + |theta_k|; the one that agrees best counts."""

MOST_FLOATS = 1 << 26
"""Number of floats of the largest Jacobian that is checked, half a gigabyte."""


def wrong_column(objective: Objective, method, theta, step: int) -> str:
    """Return a text that says which column of the Jacobian is wrong, and what to do; "" where none is.

    Differences of r along the columns of unknowns, and along the one where the loss should fall most,
    -(J^T r)_k / |J_k|, are compared with J. They count as no forwards, because they choose nothing. In float32, the
    Jacobian itself is differences.
    """
    residuals = objective.at(step)
    if residuals.network.dtype != np.float64 or residuals.size * theta.size > MOST_FLOATS:
        return ""
    jacobian = objective.jacobian(step, getattr(method, "route", None), getattr(method, "head_only", False))
    with residuals.uncounted(), np.errstate(all="ignore"):
        r, whole = jacobian.dense(theta)
        if not np.isfinite(whole).all():
            return ""
        norms = np.linalg.norm(whole, axis=0)
        steepest = int((np.abs(whole.T @ r) / np.where(norms > 0, norms, np.inf)).argmax())
        for column in (*np.flatnonzero(jacobian.columns >= residuals.n_network).tolist(), steepest):
            k = int(jacobian.columns[column])
            off = min(_off(residuals, theta, k, whole[:, column], size) for size in STEPS)
            if off > WRONG:
                way = "check the derivatives of operations of your own, or take route='black_box'"
                return f"; the column of {_name(residuals, k)} in J is {off:.0%} off differences of the residual: {way}"
    return ""


def _off(residuals, theta, k: int, column, size: float) -> float:
    """Return the distance between a column and differences, relative to the longer one."""
    high, low = theta.copy(), theta.copy()
    high[k] += size * (1 + abs(theta[k]))
    low[k] -= size * (1 + abs(theta[k]))
    found = (residuals(high) - residuals(low)) / (high[k] - low[k])
    longer = max(np.linalg.norm(found), np.linalg.norm(column), np.finfo(float).tiny)
    off = np.linalg.norm(found - column) / longer
    return float(off) if np.isfinite(off) else 0.0


def _name(residuals, k: int) -> str:
    if k >= residuals.n_network:
        return list(residuals.problem.unknowns)[k - residuals.n_network]
    slices = (one for one in residuals.network.graph.slices if not one.frozen)
    return next(one.name for one in slices if one.offset <= k < one.offset + one.size)
