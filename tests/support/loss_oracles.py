"""Every loss written down once more, and what a row of the table has to fulfil, by numeric derivatives in float64.

A check raises AssertionError for a row that is wrong; tests/losses/test_mutants.py gives them such rows.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from bpfree.arithmetic import Exact, Fast

ORACLES = {
    "softmax_cross_entropy": lambda y, label: -log_softmax(y)[label],
    "mse": lambda y, target: np.mean((y - target) ** 2),
}
"""By name: the loss of one sample, from its outputs (outputs,) and its label or targets (outputs,)."""

SIZES = [(1, 1), (1, 4), (2, 1), (3, 5), (10, 8), (150, 3)]
"""(outputs, samples)."""
STEP = 2.0**-20
"""The step of numeric derivatives."""


def cases(row, dtype=np.float64):
    """Yield (y, target) of each size: ordinary outputs, equal ones, large ones, and some that hit."""
    random = np.random.default_rng(7)
    for outputs, n in SIZES:
        ordinary = random.normal(size=(outputs, n)) * 2
        targets = random.normal(size=(outputs, n)).astype(dtype)
        labels = random.integers(0, outputs, n)
        labels[0] = outputs - 1
        hit = ordinary.copy()
        hit[0, 0], hit[:, -1] = targets[0, 0], targets[:, -1]
        for y in (ordinary, np.full_like(ordinary, 0.75), 40 * ordinary, hit):
            yield y.astype(dtype), (labels if row.labels else targets)


def check_values(row, oracle):
    """The values are those of the formula, and stay finite far away."""
    for y, target in cases(row):
        found = row.values(Fast, y, target)
        expected = [oracle(y[:, k], target[..., k]) for k in range(y.shape[1])]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    for y, target in cases(row, np.float32):
        with np.errstate(under="ignore"):
            found = row.values(Exact, y * np.float32(1e3), target)
        assert found.dtype == np.float32 and found.shape == (y.shape[1],) and np.isfinite(found).all()


def check_gradient(row):
    """Each component lies between the slopes to the left and to the right, which agree where the loss is smooth."""
    for y, target in cases(row):
        found, here = row.gradient(Fast, y, target), row.values(Fast, y, target)
        assert found.shape == y.shape
        for o in range(len(y)):
            move = np.zeros_like(y)
            move[o] = STEP
            slopes = [(sign * (row.values(Fast, y + sign * move, target) - here) / STEP) for sign in (1, -1)]
            # a second derivative of some units, and the rounding of the values themselves
            allowed = 8 * STEP * (1 + np.abs(found[o])) + 4 * np.finfo(float).eps * (1 + np.abs(here)) / STEP
            smooth = np.abs(slopes[0] - slopes[1]) <= 2 * allowed
            middle = np.where(smooth, np.mean(slopes, axis=0), np.clip(found[o], *np.sort(slopes, axis=0)))
            assert (np.abs(found[o] - middle) <= allowed).all(), "gradient"


def check_change(row):
    """L(y + s w) - L(y) for columns that all samples share, in float64 and, relative to the move, in float32."""
    random = np.random.default_rng(8)
    for dtype, bound in ((np.float64, 1e-13), (np.float32, 2e-6)):
        for y, target in cases(row, dtype):
            columns = random.normal(size=(len(y), 4)).astype(dtype)
            columns[:, 3] = 0  # which moves nothing
            for s in (0.5, -0.5, 2.0**-7, -(2.0**-7)):
                found = row.change(Fast, y, target, columns, s)
                moves = np.repeat((dtype(s) * columns)[:, :, None], y.shape[1], axis=2)
                assert found.dtype == dtype and found.shape == (4, y.shape[1])
                _compare(row, found, y, target, moves, bound)
                assert not found[3].any(), "change of nothing"


def check_differences(row):
    """L(y + dy) - L(y) for moves of every sample's own, small ones and far ones."""
    random = np.random.default_rng(9)
    for dtype, bound in ((np.float64, 1e-13), (np.float32, 2e-6)):
        for y, target in cases(row, dtype):
            moves = random.normal(size=(len(y), 4, y.shape[1])) * np.array([1e-3, 1.0, 0.0, 50.0])[:, None]
            moves = moves.astype(dtype)
            with np.errstate(all="ignore"):  # as estimators have it
                found = row.differences(Fast, y, target)(moves)
            assert found.dtype == dtype and found.shape == moves.shape[1:]
            _compare(row, found, y, target, moves, bound)
            assert not found[2].any(), "difference of nothing"


def _compare(row, found, y, target, moves, bound):
    """Compare with the values themselves; the bound is relative to what the loss could change by along the move."""
    wide, target = y.astype(float), target if row.labels else target.astype(float)
    before, slope = row.values(Fast, wide, target), np.abs(row.gradient(Fast, wide, target))
    for k in range(moves.shape[1]):
        move = moves[:, k].astype(float)
        expected = row.values(Fast, wide + move, target) - before
        scale = (slope * np.abs(move)).sum(axis=0) + np.abs(move).max(axis=0) + np.abs(expected)
        rounding = 8 * np.finfo(float).eps * (np.abs(before) + np.abs(expected) + np.abs(wide).max(axis=0))
        assert (np.abs(found[k] - expected) <= bound * scale + rounding).all(), "change of the loss"


def check_closed(row, closed):
    """C's closed form, closed(y (outputs,), target, column, s) -> (dL/dy, change), has the exact reference's bits."""
    random = np.random.default_rng(10)
    for y, target in cases(row, np.float32):
        column = random.normal(size=(len(y), 1)).astype(np.float32)
        for s in (np.float32(0.5), np.float32(-(2.0**-7))):
            gradient = row.gradient(Exact, y.copy(), target)
            change = row.change(Exact, y, target, column, s)
            for k in range(y.shape[1]):
                delta, moved = closed(y[:, k], target[..., k], column[:, 0], s)
                np.testing.assert_array_equal(delta, gradient[:, k], err_msg="gradient in C")
                np.testing.assert_array_equal(moved, change[0, k], err_msg="change in C")
