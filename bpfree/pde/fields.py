# SPDX-License-Identifier: MIT
"""What a formula sees: u with its derivatives, and the coordinates, by name."""

from __future__ import annotations

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from bpfree.pde.jet import Jet
from bpfree.pde.known import known
from bpfree.pde.wanted import First, GradSquare, Laplacian, Second


class Field(NDArrayOperatorsMixin):
    """One output u at n points; used as a number it is its value (n,).

    u.x, u.t, u.xx, u.xt: derivatives by coordinates of one dimension, (n,); d("x"), d("x", "t") the same by name.
    grad("x"): (k, n) by a coordinate of k dimensions. laplacian(), laplacian("x"), laplacian("x", "y"): the sum of
    second derivatives over these, default all but "t". grad_square(...): the sum of squares of first ones.

    look(quantity) gives what is asked for: from a jet, or writes down that it is asked for.
    """

    def __init__(self, value, domain, look):
        self.value, self.domain, self._look = value, domain, look

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        plain = [x.value if isinstance(x, Field) else x for x in inputs]
        return getattr(ufunc, method)(*plain, **options)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.value, dtype)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self.d(*self._split(name))

    def _split(self, name):
        """A name as one or two coordinates."""
        names = self.domain.names
        for first in names:
            if name == first:
                return (first,)
            if name.startswith(first) and name[len(first) :] in names:
                return first, name[len(first) :]
        expected = f"one or two of the coordinates {', '.join(names)}, such as u.{names[0]}"
        raise AttributeError(f"u.{name}: expected {expected}")

    def d(self, first: str, second: str | None = None):
        """du/d first, or d2u / d first d second, (n,)."""
        i = self._one(first)
        if second is None:
            return self._look(First(i))
        return self._look(Second(*sorted((i, self._one(second)))))

    def grad(self, *names):
        """First derivatives (k, n) by these coordinates."""
        return np.stack([self._look(First(i)) for i in self._columns(names)])

    def laplacian(self, *names):
        """sum_i d2u / dx_i^2 over these coordinates, (n,)."""
        return self._look(Laplacian(self._columns(names)))

    def grad_square(self, *names):
        """sum_i (du / dx_i)^2 over these coordinates, (n,)."""
        return self._look(GradSquare(self._columns(names)))

    def _columns(self, names):
        names = names or [name for name in self.domain.names if name != "t"]
        return tuple(i for name in names for i in self.domain.columns(name))

    def _one(self, name):
        columns = self.domain.columns(name)
        if len(columns) > 1:
            expected = "a coordinate of one dimension (use grad or laplacian)"
            raise TypeError(f"{name}: expected {expected}, got one of {len(columns)}")
        return columns[0]


def field_of(jet: Jet, layout, domain, moved=None) -> Field:
    """A field that reads its derivatives off a jet. moved: {quantity: by how much it is moved; None: the value}."""
    moved = moved or {}

    def look(quantity):
        found = layout.read(quantity, jet.rest)
        return found + moved[quantity] if quantity in moved else found

    return Field(jet.value + moved[None] if None in moved else jet.value, domain, look)


class Outputs:
    """Several outputs by name: u.p, u.v are fields, and p and v the problem's `outputs`."""

    def __init__(self, names, fields):
        vars(self).update(zip(names, fields, strict=True))

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        names = tuple(vars(self))
        raise AttributeError(f"u.{name}: expected one of the outputs {', '.join(names)}, such as u.{names[0]}")


class Recorder:
    """Fields that write down what is asked of them: `wanted` in the order of asking, each once."""

    def __init__(self, domain, n: int):
        self.domain, self.n, self.wanted = domain, n, []

    def field(self) -> Field:
        """One output, of numbers without meaning."""

        def look(quantity):
            self.wanted += [quantity] * (quantity not in self.wanted)
            return np.full(self.n, 0.5)

        return Field(np.full(self.n, 0.5), self.domain, look)


class Coordinates:
    """The points by name: c.x (n,), or (k, n) for a coordinate of k dimensions, and what else is known by name.

    layout: with derivatives along its streams, as an ansatz needs them. fields: {name: number or function of
    coordinates}, see :func:`bpfree.pde.known.known`. fixed: {name: value} of coordinates that are held there.
    """

    def __init__(self, domain, points, layout=None, fields=None, fixed=None):
        self._domain, self._points, self._layout = domain, points, layout
        self._fields, self._fixed = fields or {}, fixed or {}

    def _at(self, **fixed):
        """The same with coordinates of one dimension held at numbers, as on a face."""
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
