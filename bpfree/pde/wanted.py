# SPDX-License-Identifier: MIT
"""The derivatives that a formula needs, and their places among the streams of a jet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.pde.streams import Streams


@dataclass(frozen=True)
class First:
    """du/dx_i, where i is a column of the points."""

    i: int


@dataclass(frozen=True)
class Second:
    """d2u / dx_i dx_j, with columns i <= j."""

    i: int
    j: int


@dataclass(frozen=True)
class Laplacian:
    """The sum of d2u / dx_i^2 over these columns."""

    columns: tuple[int, ...]


@dataclass(frozen=True)
class GradSquare:
    """The sum of (du/dx_i)^2 over these columns."""

    columns: tuple[int, ...]


def columns_of(quantity) -> tuple[int, ...]:
    """Return the columns by which a quantity is differentiated."""
    if isinstance(quantity, Laplacian | GradSquare):
        return quantity.columns
    return (quantity.i,) if isinstance(quantity, First) else (quantity.i, quantity.j)


class Layout:
    """The streams for some quantities, and how the quantities are read from them.

    wanted: the quantities, each a First, Second, Laplacian or GradSquare.
    dim: number of columns of the points.
    drawn: {columns: directions (K, dim)}. Laplacian and GradSquare of these columns are means over
    random directions with E[v v^T] = I on them, instead of sums over coordinates.

    >>> layout = Layout([First(1), Laplacian((0, 1))], dim=2)
    >>> layout.streams.count
    4
    """

    def __init__(self, wanted, dim: int, drawn=None):
        self.wanted, self.dim, drawn = tuple(dict.fromkeys(wanted)), dim, drawn or {}
        plain = [q for q in self.wanted if columns_of(q) not in drawn or isinstance(q, First | Second)]
        columns = sorted({i for quantity in plain for i in columns_of(quantity)})
        self._at = {i: a for a, i in enumerate(columns)}
        directions, groups = [np.eye(dim)[columns]], {}
        for own, vectors in drawn.items():
            start = sum(map(len, directions))
            groups[own] = range(start, start + len(vectors))
            directions.append(vectors)
        self._groups, forms, self._forms = groups, [], {}
        for quantity in self.wanted:
            if isinstance(quantity, Second | Laplacian):
                self._forms[quantity] = len(forms)
                forms.append(self._form(quantity))
        self.streams = Streams(np.concatenate(directions), forms)

    def _form(self, quantity):
        if isinstance(quantity, Second):
            return [(self._at[quantity.i], self._at[quantity.j], 1.0)]
        if quantity.columns in self._groups:
            own = self._groups[quantity.columns]
            return [(a, a, 1.0 / len(own)) for a in own]
        return [(self._at[i], self._at[i], 1.0) for i in quantity.columns]

    def read(self, quantity, rest):
        """Return the quantity (..., n) from streams (..., count - 1, n)."""
        if quantity in self._forms:
            return rest[..., self.streams.n_first + self._forms[quantity], :]
        if isinstance(quantity, GradSquare):
            found = (rest[..., self.rows(quantity), :] ** 2).sum(axis=-2)
            own = self._groups.get(quantity.columns)
            return found / len(own) if own else found
        if quantity not in self.wanted:
            raise KeyError(f"quantity: expected one of {self.wanted}, got {quantity}")
        return rest[..., self._at[quantity.i], :]

    def rows(self, quantity: GradSquare) -> list[int]:
        """Return the first derivatives whose squares are summed or averaged, as their numbers among the directions."""
        own = self._groups.get(quantity.columns)
        return list(own) if own else [self._at[i] for i in quantity.columns]

    def slopes(self, quantity, rest):
        """Return the derivative of the quantity by each stream of rest (count - 1, n), (count - 1, n or 1)."""
        if not isinstance(quantity, GradSquare):
            return self.matrix(quantity)[1:, None]
        rows, found, own = self.rows(quantity), np.zeros_like(rest), self._groups.get(quantity.columns)
        found[rows] = rest[rows] * (2.0 / len(own) if own else 2.0)
        return found

    def matrix(self, quantity):
        """Return the weights (count,) of a linear quantity by stream, the value first."""
        if isinstance(quantity, GradSquare):
            raise TypeError(f"quantity: expected a quantity that is linear in u, got {quantity}")
        row = np.zeros(self.streams.count)
        row[1:] = self.read(quantity, np.eye(self.streams.count - 1)[:, :])
        return row
