# SPDX-License-Identifier: MIT
"""A contraction: the matrix product that linear layers are made of, as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Contraction:
    """y[p, m, c] = start[p, m, c] + sum_k a[k, m] x[p, k, c], for one sample; x and y lie in this order of axes.

    parts, rows, inner, columns: sizes of p, m, k and c. parameter: number of the layer's parameter that a (inner,
    rows) is made of, its axes in the order `axes`. start: number of the parameter with a float for every output, from
    which sums start; None: from 0. An x that is shorter has zeros behind it.
    """

    parts: int
    rows: int
    inner: int
    columns: int
    parameter: int
    axes: tuple[int, ...]
    start: int | None = None

    @property
    def inputs(self) -> int:
        """Elements of x."""
        return self.parts * self.inner * self.columns

    @property
    def outputs(self) -> int:
        """Elements of y."""
        return self.parts * self.rows * self.columns

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.outputs * self.inner

    def matrix(self, parameter):
        """The matrix a (inner, rows), of the parameter."""
        return parameter.transpose(self.axes).reshape(self.inner, self.rows)

    def parameter_of(self, matrix, shape):
        """The parameter of this shape, of a matrix (inner, rows): the inverse of `matrix`."""
        return matrix.reshape([shape[axis] for axis in self.axes]).transpose(np.argsort(self.axes))

    def run(self, arithmetic, parameters, x):
        """The result y (outputs, n), of the layer's parameters and x (inputs, n)."""
        n = x.shape[1]
        x = x.reshape(self.parts, self.inner, self.columns * n)
        matrix, start = self.matrix(parameters[self.parameter]), self.starts(parameters, n)
        return arithmetic.contract(matrix, x, start).reshape(-1, n)

    def starts(self, parameters, n: int):
        """What sums start from, to be broadcast to (parts, rows, columns n)."""
        if self.start is None:
            return 0.0
        start = parameters[self.start].reshape(self.parts, self.rows, self.columns)
        return start if self.columns == 1 else np.repeat(start, n, axis=2)

    def project(self, arithmetic, x, delta):
        """The gradient of the matrix, (inner, rows): of sum_n delta . y, for x (inputs, n) and delta (outputs, n)."""
        delta, x = delta.reshape(self.parts, self.rows, -1), x.reshape(self.parts, self.inner, -1)
        return arithmetic.outer(delta, x).T

    def back(self, arithmetic, parameters, delta, out):
        """The gradient of x, of sum_n delta . y for delta (outputs, n), in the room `out` (inputs, n) of x itself."""
        matrix, n = self.matrix(parameters[self.parameter]), delta.shape[1]
        room = out.reshape(self.parts, self.inner, -1)
        return arithmetic.contract(matrix.T, delta.reshape(self.parts, self.rows, -1), out=room).reshape(-1, n)


def widened(x, size: int):
    """Return x (features, n) with zeros behind it up to `size` features."""
    if len(x) == size:
        return x
    return np.concatenate([x, np.zeros((size - len(x), x.shape[1]), x.dtype)])
