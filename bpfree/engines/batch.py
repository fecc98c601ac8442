# SPDX-License-Identifier: MIT
"""Samples on their way into an engine, checked once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Batch:
    """x (n, features) float32 with labels (n,) uint32 or targets (n, outputs) float32, contiguous.

    For a loss that takes rows, targets are y (n, ...) as it was given.
    """

    x: np.ndarray
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, indices) -> Batch:
        """The samples at these indices."""
        return Batch(*(None if part is None else part[indices] for part in (self.x, self.labels, self.targets)))


def make_inputs(graph, x) -> np.ndarray:
    """x as (n, features) float32, contiguous; raises when the shape does not fit the graph."""
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"x: expected real numbers, got dtype {array.dtype}")
    features = graph.input.size
    if array.ndim < 2 or len(array) == 0 or array[0].size != features:
        raise ValueError(f"x: expected shape (n, {features}) with n >= 1, got {array.shape}")
    return _float32(array.reshape(len(array), features))


def _float32(array) -> np.ndarray:
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, as float32 has it
        return np.ascontiguousarray(array, np.float32)


def _check_finite(name: str, values) -> None:
    """A NaN would end training at the first minibatch that it is in: better said before."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise ValueError(f"{name}: expected finite float32 numbers, got others in {bad.size} rows, first {bad[0]}")


def make_batch(graph, loss, x, y) -> Batch:
    """x and y as the loss reads them; raises naming what does not fit."""
    x, outputs = make_inputs(graph, x), graph.output.size
    try:
        y = np.asarray(y)
    except ValueError as error:  # rows of several shapes
        raise ValueError(f"y: expected rows of one shape, got others: {error}") from None
    _check_finite("x", x)
    if y.ndim == 0 or len(y) != len(x):
        raise ValueError(f"y: expected one row a sample ({len(x)}), got shape {y.shape}")
    if loss.takes_rows:
        return Batch(x, targets=y)
    if loss.labels:
        if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
            raise TypeError(f"y: {loss.name} expects integer labels of shape (n,), got {y.dtype} {y.shape}")
        if y.min() < 0 or y.max() >= outputs:
            raise ValueError(f"y: expected labels in [0, {outputs - 1}], got {y.min()} to {y.max()}")
        return Batch(x, labels=np.ascontiguousarray(y, np.uint32))
    if y.reshape(len(y), -1).shape[1] != outputs or y.dtype.kind not in "biuf":
        expected = f"real numbers of shape (n, {outputs})"
        raise ValueError(f"y: {loss.name} expects {expected}, got {y.dtype} {y.shape}")
    targets = _float32(y.reshape(len(y), outputs))
    _check_finite("y", targets)
    return Batch(x, targets=targets)
