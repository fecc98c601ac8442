# SPDX-License-Identifier: MIT
"""The arguments of a formula: u with its derivatives, and the coordinates, by name."""

from __future__ import annotations

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from bpfree.pde.jet import Jet
from bpfree.pde.known import known
from bpfree.pde.wanted import First, GradSquare, Laplacian, Second


class Field(NDArrayOperatorsMixin):
    """One output u at n points; used as a number it is its value (n,).

    u.x, u.t, u.xx and u.xt are derivatives by coordinates of one dimension, (n,), and so are u.d("x") and
    u.d("x", "t"). u.grad("x") is the gradient (k, n) by a coordinate of k dimensions. u.laplacian(),
    u.laplacian("x") and u.laplacian("x", "y") are sums of second derivatives over these coordinates, by default over
    all but "t". u.grad_square(...) is the sum of squares of first derivatives.

    look: a function (quantity) that returns the quantity, or records that it is needed.
    """

    def __init__(self, value, domain, look):
        self.value, self.domain, self._look = value, domain, look

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return getattr(ufunc, method)(*values_of(inputs), **options)

    def __array_function__(self, function, types, args, kwargs):
        return function(*values_of(args), **values_of(kwargs))

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.value, dtype)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self.d(*self._split(name))

    def _split(self, name):
        """Split a name into one or two coordinates."""
        names = self.domain.names
        for first in names:
            if name == first:
                return (first,)
            if name.startswith(first) and name[len(first) :] in names:
                return first, name[len(first) :]
        expected = f"one or two of the coordinates {', '.join(names)}, such as u.{names[0]}"
        raise AttributeError(f"u.{name}: expected {expected}")

    def d(self, first: str, second: str | None = None):
        """Return du / d first, or d2u / d first d second, (n,)."""
        i = self._one(first)
        if second is None:
            return self._look(First(i))
        return self._look(Second(*sorted((i, self._one(second)))))

    def grad(self, *names):
        """Return the first derivatives (k, n) by these coordinates."""
        return np.stack([self._look(First(i)) for i in self._columns(names)])

    def laplacian(self, *names):
        """Return sum_i d2u / dx_i^2 over these coordinates, (n,)."""
        return self._look(Laplacian(self._columns(names)))

    def grad_square(self, *names):
        """Return sum_i (du / dx_i)^2 over these coordinates, (n,)."""
        return self._look(GradSquare(self._columns(names)))

    def _columns(self, names):
        names = names or [name for name in self.domain.names if name != "t"]
        return tuple(i for name in names for i in self.domain.columns(name))

    def _one(self, name):
        columns = self.domain.columns(name)
        if len(columns) > 1:
            expected = "a coordinate of one dimension (use grad or laplacian)"
            raise TypeError(f"{name}: expected {expected}, got a coordinate of {len(columns)} dimensions")
        return columns[0]


def values_of(found):
    """Return the same with the value of every field in it."""
    if isinstance(found, list | tuple):
        return type(found)(map(values_of, found))
    if isinstance(found, dict):
        return {name: values_of(one) for name, one in found.items()}
    return found.value if isinstance(found, Field) else found


def field_of(jet: Jet, layout, domain, changed=None) -> Field:
    """Return a field that reads its derivatives from a jet.

    changed: {quantity, or None for the value: a function of what was read, whose result the formula gets}.
    """
    changed = changed or {}

    def look(quantity):
        found = jet.value if quantity is None else layout.read(quantity, jet.rest)
        # A copy, because a formula may add to what it reads in place.
        return changed[quantity](found) if quantity in changed else found.copy()

    return Field(look(None), domain, look)


class Outputs:
    """Several outputs by name: u.p and u.v are fields, where p and v are the problem's `outputs`."""

    def __init__(self, names, fields):
        vars(self).update(zip(names, fields, strict=True))

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        names = tuple(vars(self))
        raise AttributeError(f"u.{name}: expected one of the outputs {', '.join(names)}, such as u.{names[0]}")


class Recorder:
    """Makes fields that record which quantities a formula reads: `wanted` holds each once, in the order of reading."""

    def __init__(self, domain, n: int):
        self.domain, self.n, self.wanted = domain, n, []

    def field(self) -> Field:
        """Return a field whose values are arbitrary numbers."""

        def look(quantity):
            self.wanted += [quantity] * (quantity not in self.wanted)
            return np.full(self.n, 0.5)

        return Field(np.full(self.n, 0.5), self.domain, look)


class Coordinates:
    """The coordinates of points by name, c.x (n,) or (k, n) for a coordinate of k dimensions, and known fields by name.

    layout: makes coordinates jets with derivatives along its streams, as an ansatz needs them; None: plain arrays.
    fields: {name: number or function of coordinates}, see :func:`bpfree.pde.known.known`.
    fixed: {name: value} of coordinates that are held at a value.
    """

    def __init__(self, domain, points, layout=None, fields=None, fixed=None):
        self._domain, self._points, self._layout = domain, points, layout
        self._fields, self._fixed = fields or {}, fixed or {}

    def _at(self, **fixed):
        """Return the same with coordinates of one dimension held at numbers, as on a face."""
        return Coordinates(self._domain, self._points, self._layout, self._fields, {**self._fixed, **fixed})

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._fields:
            return known(name, self._fields[name], self)
        if name in self._fixed:
            return np.full(len(self._points), self._fixed[name], self._points.dtype)
        columns = self._domain.columns(name)
        value = self._points[:, columns].T
        if self._layout is not None:
            streams = self._layout.streams
            rest = np.zeros((len(columns), streams.count - 1, len(self._points)), self._points.dtype)
            rest[:, : streams.n_first] = streams.directions[:, columns].T[:, :, None]
            whole = Jet(np.ascontiguousarray(value), rest, streams)
            return whole[0] if len(columns) == 1 else whole
        return value[0] if len(columns) == 1 else value
