# SPDX-License-Identifier: MIT
"""Arithmetic on jets: a known formula round a network is differentiated exactly, the network's derivatives in it."""

from __future__ import annotations

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from scipy.special import ndtr

from bpfree.arithmetic import Fast
from bpfree.pde.dual import Dual, as_numbers


class Jet(NDArrayOperatorsMixin):
    """A value at n points with its streams (:class:`bpfree.pde.streams.Streams`), exact for sums, products, functions.

    value (n,), or (k, n) for k components at a time, such as a coordinate of k dimensions; rest the same with
    the streams before the points, (count - 1, n) or (k, count - 1, n). NumPy's functions take jets: see FUNCTIONS.

    >>> import numpy as np
    >>> from bpfree.pde.streams import Streams
    >>> line = Streams([[1.0]], [[(0, 0, 1.0)]])  # d/dx and d2/dx2
    >>> x = Jet(np.array([2.0]), np.array([[1.0], [0.0]]), line)
    >>> cube = x * x * x
    >>> cube.value.tolist(), cube.rest.tolist()
    ([8.0], [[12.0], [12.0]])
    """

    def __init__(self, value, rest, streams):
        self.value, self.rest, self.streams = value, rest, streams

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        rule = _RULES.get(ufunc)
        if method != "__call__" or options or rule is None:
            names = ", ".join(sorted(one.__name__ for one in _RULES))
            given = ufunc.__name__ + ("" if method == "__call__" else f".{method}")
            raise TypeError(f"formula: expected one of {names}, without options, got {given}")
        return rule(*inputs)

    def _function(self, y, slope, curvature):
        return Jet(y, self.streams.chain(Fast, self.rest, slope, curvature), self.streams)

    def sum(self, axis: int = 0):
        """Over the components: (k, n) to (n,)."""
        if self.value.ndim != 2 or axis != 0:
            raise ValueError(f"sum: expected axis 0 of a jet of several components, got {axis} of {self.value.shape}")
        return Jet(self.value.sum(axis=0), self.rest.sum(axis=0), self.streams)

    def __getitem__(self, component):
        """One of the components."""
        if self.value.ndim != 2:
            raise IndexError(f"component: expected a jet of several, got a value of shape {self.value.shape}")
        return Jet(self.value[component], self.rest[component], self.streams)

    def __len__(self):
        if self.value.ndim != 2:
            raise TypeError("a jet of one component has no length")
        return len(self.value)

    def __repr__(self):
        return f"Jet({self.value.shape} and {self.streams.count - 1} streams)"


def _is(x):
    return isinstance(x, Jet)


def _add(a, b):
    if not _is(b):
        a, b = b, a
    if not _is(a):
        value = as_numbers(a, b.value.dtype) + b.value
        return Jet(value, _spread(b.rest, value), b.streams)
    value = a.value + b.value
    return Jet(value, _spread(a.rest, value) + b.rest, b.streams)


def _spread(rest, value):
    """Streams as wide as a value that broadcasting has made wider."""
    return np.broadcast_to(rest, (*value.shape[:-1], *rest.shape[-2:-1], value.shape[-1]))


def _multiply(a, b):
    if not _is(a):
        a, b = b, a
    if not _is(b):
        b = as_numbers(b, a.value.dtype)
        return Jet(a.value * b, a.rest * (b[..., None, :] if b.ndim else b), a.streams)
    streams, first = a.streams, a.streams.n_first
    rest = a.value[..., None, :] * b.rest + b.value[..., None, :] * a.rest
    if streams.terms:
        crossed = streams.squares(Fast, a.rest, b.rest) + streams.squares(Fast, b.rest, a.rest)
        rest[..., first:, :] += crossed
    return Jet(a.value * b.value, rest, streams)


def _power(x, p):
    if _is(p) or isinstance(p, Dual):
        return _exp(_multiply(p, _log(x) if _is(x) else np.log(x)))
    if np.ndim(p):
        raise TypeError(f"power: expected a number as the exponent, got an array of shape {np.shape(p)}")
    if p == 2:
        return _multiply(x, x)
    p = float(p)  # a float64 number of NumPy would widen float32
    return x._function(x.value**p, _times_power(p, x.value, p - 1), _times_power(p * (p - 1), x.value, p - 2))


def _times_power(c, x, p):
    """c x^p, and 0 where c is, also at x = 0."""
    return c * x**p if c else np.zeros_like(x)


def _divide(a, b):
    return _multiply(a, _power(b, -1.0)) if _is(b) else _multiply(a, 1.0 / as_numbers(b))


def _exp(x):
    y = np.exp(x.value)
    return x._function(y, y, y)


def _log(x):
    slope = 1 / x.value
    return x._function(np.log(x.value), slope, -slope * slope)


def _sin(x):
    y, slope = np.sin(x.value), np.cos(x.value)
    return x._function(y, slope, -y)


def _cos(x):
    y, slope = np.cos(x.value), -np.sin(x.value)
    return x._function(y, slope, -y)


def _tanh(x):
    y = np.tanh(x.value)
    slope = 1 - y * y
    return x._function(y, slope, -2 * y * slope)


def _ndtr(x):
    slope = np.exp(-0.5 * x.value * x.value) * (2 * np.pi) ** -0.5
    return x._function(ndtr(x.value), slope, -x.value * slope)


_RULES = {
    np.add: _add,
    np.subtract: lambda a, b: _add(a, _multiply(b, -1.0)) if _is(b) else _add(a, -as_numbers(b)),
    np.multiply: _multiply,
    np.divide: _divide,
    np.power: _power,
    np.negative: lambda x: _multiply(x, -1.0),
    np.positive: lambda x: x,
    np.square: lambda x: _multiply(x, x),
    np.sqrt: lambda x: _power(x, 0.5),
    np.exp: _exp,
    np.log: _log,
    np.sin: _sin,
    np.cos: _cos,
    np.tanh: _tanh,
    ndtr: _ndtr,
}

FUNCTIONS = tuple(sorted(rule.__name__ for rule in _RULES))
"""Names of the functions that take jets: NumPy's, and ndtr, the normal distribution, from scipy.special."""
