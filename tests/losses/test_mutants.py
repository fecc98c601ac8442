"""The checks of losses find what is wrong: a row with one error fails, and the same row without it passes."""

from dataclasses import replace

import numpy as np
import pytest
from loss_oracles import ORACLES, check_change, check_closed, check_differences, check_gradient, check_values
from native_losses import closed_form

from bpfree.losses import LOSSES
from bpfree.losses.table import Loss


def mae_values(arithmetic, y, targets):
    return arithmetic.sum(np.abs(y - targets), axis=0) * (y.dtype.type(1) / y.dtype.type(len(y)))


def mae_gradient(arithmetic, y, targets):
    return np.sign(y - targets) * (y.dtype.type(1) / y.dtype.type(len(y)))


def mae_change(arithmetic, y, targets, columns, s):
    moves = np.repeat((y.dtype.type(s) * columns)[:, :, None], y.shape[1], axis=2)
    return mae_differences(arithmetic, y, targets)(moves)


def mae_differences(arithmetic, y, targets):
    """|e + d| - |e|: along with e, against it, or across 0, each without cancellation."""
    error, share = (y - targets)[:, None], y.dtype.type(1) / y.dtype.type(len(y))

    def of(moves):
        side = np.where(error == 0, np.sign(moves), np.sign(error))
        across = side * (error + moves) < 0
        each = np.where(across, -side * (error + error + moves), side * moves)
        return arithmetic.sum(each, axis=0) * share

    return of


MAE = Loss("mae", mae_values, gradient=mae_gradient, change=mae_change, differences=mae_differences)
MSE, ENTROPY = LOSSES["mse"], LOSSES["softmax_cross_entropy"]
FORMULAS = {**ORACLES, "mae": lambda y, target: np.mean(np.abs(y - target))}
CHECKS = {
    "values": lambda row: check_values(row, FORMULAS[row.name]),
    "gradient": check_gradient,
    "change": check_change,
    "differences": check_differences,
}


def scaled(function, factor):
    """The function times a factor that may depend on y."""
    return lambda arithmetic, y, *rest: function(arithmetic, y, *rest) * y.dtype.type(factor(y))


def of_moves(row, change):
    """The row with other differences: change(found, y, target, moves) of what is right."""

    def differences(arithmetic, y, target):
        right = row.differences(arithmetic, y, target)
        return lambda moves: change(right(moves), y, target, moves)

    return replace(row, differences=differences)


def first_order(row):
    """A change that is only the slope along the move."""

    def change(arithmetic, y, target, columns, s):
        return y.dtype.type(s) * arithmetic.contract(columns, row.gradient(arithmetic, y, target)[None])[0]

    return replace(row, change=change)


def cancelling(row):
    """Differences of two losses, which drown in rounding in float32."""

    def differences(arithmetic, y, target):
        at_rest = row.values(arithmetic, y, target)
        return lambda moves: np.stack(
            [row.values(arithmetic, y + moves[:, k], target) - at_rest for k in range(moves.shape[1])]
        )

    return replace(row, differences=differences)


def subgradient(arithmetic, y, targets):
    """Three times too steep where an output hits its target, right everywhere else."""
    share = y.dtype.type(1) / y.dtype.type(len(y))
    return np.where(y == targets, 3, np.sign(y - targets)).astype(y.dtype) * share


def forgetful(arithmetic, y, label):
    """Probabilities, without the label."""
    p = ENTROPY.gradient(arithmetic, y, label)
    p[label, np.arange(y.shape[1])] += 1
    return p


WRONG = {
    ("gradient", "mae: wrong sign"): replace(MAE, gradient=scaled(mae_gradient, lambda y: -1)),
    ("gradient", "mae: wrong scale"): replace(MAE, gradient=scaled(mae_gradient, len)),
    ("gradient", "mae: off by a thousandth"): replace(MAE, gradient=scaled(mae_gradient, lambda y: 1.001)),
    ("gradient", "mae: wrong subgradient"): replace(MAE, gradient=subgradient),
    ("values", "mae: a sum"): replace(MAE, values=scaled(mae_values, len)),
    ("change", "mae: never across the kink"): first_order(MAE),
    ("change", "mae: change of another sign"): replace(MAE, change=lambda a, y, t, w, s: mae_change(a, y, t, w, -s)),
    ("differences", "mae: differences of another sign"): of_moves(MAE, lambda found, y, t, moves: -found),
    ("values", "mse: half"): replace(MSE, values=scaled(MSE.values, lambda y: 0.5)),
    ("gradient", "mse: half a gradient"): replace(MSE, gradient=scaled(MSE.gradient, lambda y: 0.5)),
    ("change", "mse: first order"): first_order(MSE),
    ("differences", "mse: differences lose the square"): of_moves(
        MSE, lambda found, y, t, moves: found - (moves * moves).mean(axis=0, dtype=moves.dtype)
    ),
    ("differences", "mse: differences that cancel"): cancelling(MSE),
    ("gradient", "entropy: gradient without the label"): replace(ENTROPY, gradient=forgetful),
    ("change", "entropy: first order"): first_order(ENTROPY),
    ("values", "entropy: scores are not shifted"): replace(
        ENTROPY, values=lambda a, y, label: a.log(a.sum(a.exp(y), axis=0)) - y[label, np.arange(y.shape[1])]
    ),
    ("differences", "entropy: differences that cancel"): cancelling(ENTROPY),
    ("differences", "entropy: float64 where float32 was given"): of_moves(
        ENTROPY, lambda found, y, t, moves: found.astype(float)
    ),
}
"""By the check that finds it, and what is wrong."""


def failed(row):
    """Return the names of the checks that this row does not pass."""
    found = []
    for name, check in CHECKS.items():
        try:
            with np.errstate(all="ignore"):
                check(row)
        except AssertionError:
            found.append(name)
    return found


@pytest.mark.parametrize("row", [MAE, MSE, ENTROPY], ids=lambda row: row.name)
def test_a_row_that_is_right_passes(row):
    assert failed(row) == []


@pytest.mark.parametrize("check", CHECKS)
def test_a_row_that_is_wrong_fails(check):
    rows = {what: row for (by, what), row in WRONG.items() if by == check}
    assert len(rows) >= 3 and [what for what, row in rows.items() if check not in failed(row)] == []


@pytest.mark.parametrize("row", [MSE, ENTROPY], ids=lambda row: row.name)
@pytest.mark.parametrize("part", [0, 1], ids=["gradient", "change"])
def test_one_bit_of_c_is_one_too_many(row, part):
    right = closed_form(row)

    def off(*arguments):
        found = list(right(*arguments))
        found[part] = np.nextafter(found[part], np.float32(9))
        return found

    with pytest.raises(AssertionError, match=("gradient in C", "change in C")[part]):
        check_closed(row, off)
