"""Sums in a fixed order: the behaviour of NumPy on which the exact reference relies."""

import numpy as np
import pytest
from helpers import assert_same_bits, floats

from bpfree.arithmetic import Exact, Fast, exact, running_sum


def sequential(a, x, start):
    """Return y[p, m, n] = start + sum_k a[k, m] x[p, k, n], with one float32 rounding after another."""
    (inner, rows), (parts, _, columns) = a.shape, x.shape
    y = np.broadcast_to(np.float32(start), (parts, rows, columns)).astype(np.float32)
    for p in range(parts):
        for m in range(rows):
            for n in range(columns):
                total = y[p, m, n]
                for k in range(inner):
                    total = np.float32(total + np.float32(a[k, m] * x[p, k, n]))
                y[p, m, n] = total
    return y


# NumPy would sum a single column (1 x 1 results) pairwise, which shows from 129 terms on.
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (200, 1, 1), (1000, 1, 1), (130, 1, 2), (130, 2, 1), (9, 17, 5), (257, 3, 4)]
)
@pytest.mark.parametrize("parts", [1, 3])
def test_contract_is_the_sequential_sum(shape, parts):
    inner, rows, columns = shape
    a, x = floats(1, inner, rows, scale=10), floats(2, parts, inner, columns)
    bias = floats(3, rows, 1)
    assert_same_bits(Exact.contract(a, x, bias), sequential(a, x, bias))
    assert_same_bits(Exact.contract(a, x), sequential(a, x, 0.0))


def test_contract_in_chunks_is_the_same(monkeypatch):
    a, x = floats(1, 30, 40), floats(2, 2, 30, 3)
    whole = Exact.contract(a, x, 1.0)
    monkeypatch.setattr(exact, "_CHUNK", 500)
    assert_same_bits(Exact.contract(a, x, 1.0), whole)


@pytest.mark.parametrize("shape", [(1000, 1), (1000, 3), (3, 1000), (1, 1), (40, 40)])
@pytest.mark.parametrize("axis", [0, 1])
def test_running_sum_is_the_sequential_sum(shape, axis):
    values = floats(5, *shape, scale=100)
    rows = np.moveaxis(values, axis, 0)
    total = rows[0].copy()
    for row in rows[1:]:
        total += row
    assert_same_bits(running_sum(values, axis), total)


def test_order_matters_in_these_examples():
    # Otherwise the tests above could not detect a sum that is not sequential.
    values = floats(5, 1000, 1, scale=100)
    assert running_sum(values)[0] != np.sum(values[:, 0])


def test_fast_agrees_within_rounding_and_keeps_float64():
    a, x = floats(1, 200, 7), floats(2, 2, 200, 5)
    expected = np.einsum("km,pkn->pmn", a.astype(float), x.astype(float)) + 1.0
    assert np.allclose(Fast.contract(a, x, 1.0), expected, rtol=1e-4, atol=1e-4)
    wide = Fast.contract(a.astype(float), x.astype(float), 1.0)
    assert wide.dtype == np.float64 and np.allclose(wide, expected, rtol=1e-13, atol=1e-13)
