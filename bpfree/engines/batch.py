# SPDX-License-Identifier: MIT
"""Samples on their way into an engine, checked once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bpfree.losses import spoken_name


@dataclass(frozen=True)
class Batch:
    """x (n, features) float32 with labels (n,) uint32 or targets (n, outputs) float32, contiguous.

    For a loss that takes rows, targets are y (n, ...) as it was given.
    weights: (n,) that the losses of the samples are multiplied by, or None; float64 as they were
    given, and float32 once it is settled what is made of them.
    """

    x: np.ndarray
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def parts(self) -> tuple:
        """x, labels, targets and weights, of which some are None."""
        return self.x, self.labels, self.targets, self.weights

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(part.nbytes for part in self.parts if part is not None)

    def take(self, indices) -> Batch:
        """The samples at these indices."""
        return Batch(*(None if part is None else part[indices] for part in self.parts))

    def weighed(self, values):
        """fl(w_b L_b) of values (..., n), in their precision; the values themselves where there are no weights."""
        if self.weights is None:
            return values
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # a loss that is not finite is a result
            return values * self.weights.astype(values.dtype, copy=False)

    def with_mean_weight_1(self, name: str) -> Batch:
        """The batch with its weights, where it has some, divided by their mean."""
        return self if self.weights is None else replace(self, weights=mean_1(name, self.weights))

    def with_weights_as_given(self) -> Batch:
        """The batch with its weights, where it has some, in float32; raises for those that do not fit."""
        if self.weights is None:
            return self
        weights = _float32(self.weights)
        if not np.isfinite(weights).all():
            most = np.finfo(np.float32).max
            expected = f"weights of at most {most:.3g}, as nothing divides them by their mean here"
            raise ValueError(f"w: expected {expected}, got {self.weights.max():.3g}")
        return replace(self, weights=weights)


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


def check_classes(outputs: int) -> None:
    """Raise for a model of one output: the largest of one is always the same, and its softmax is 1."""
    if outputs == 1:
        ways = 'give it an output a class, or train it with loss="mse"'
        raise ValueError(f"model: expected two outputs or more, one a class, got one: {ways}")


def _check_finite(name: str, values) -> None:
    """A NaN would end training at the first minibatch that it is in: better said before."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise ValueError(f"{name}: expected finite float32 numbers, got others in {bad.size} rows, first {bad[0]}")


def check_weights(name: str, w, n: int) -> np.ndarray:
    """w as (n,) float64; raises unless all are finite and none is negative."""
    array = np.asarray(w)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if array.shape != (n,):
        raise ValueError(f"{name}: expected one weight a sample, shape ({n},), got {array.shape}")
    with np.errstate(over="ignore"):  # what does not fit is refused as infinite
        weights = array.astype(np.float64)
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if bad.size:
        raise ValueError(f"{name}: expected finite weights >= 0, got others at {bad.size} places, first {bad[0]}")
    return weights


def mean_1(name: str, weights) -> np.ndarray:
    """Weights (n,) float64 divided by their mean and rounded to float32 once; raises where all of them are 0."""
    if not weights.any():
        raise ValueError(f"{name}: expected weights of which some are not 0, got {len(weights)} zeros")
    _, exponent = np.frexp(weights.max())
    scaled = np.ldexp(weights, -exponent)  # exactly, so that no sum is beyond float64
    return (scaled / scaled.mean()).astype(np.float32)


def make_batch(graph, loss, x, y, w=None) -> Batch:
    """x, y and the weights w, as given, as the loss reads them; raises naming what does not fit."""
    x, outputs = make_inputs(graph, x), graph.output.size
    try:
        y = np.asarray(y)
    except ValueError as error:  # rows of several shapes
        raise ValueError(f"y: expected rows of one shape, got others: {error}") from None
    _check_finite("x", x)
    weights = None if w is None else check_weights("w", w, len(x))
    if y.ndim == 0 or len(y) != len(x):
        raise ValueError(f"y: expected one row a sample ({len(x)}), got shape {y.shape}")
    if loss.takes_rows:
        return Batch(x, targets=y, weights=weights)
    if loss.labels:
        check_classes(outputs)
        integers = np.issubdtype(y.dtype, np.integer)
        if y.ndim != 1 or not integers:
            got, ways = f"{y.dtype} {y.shape}", "" if integers else ': give loss="mse" for targets'
            raise TypeError(f"y: expected integer labels (n,) for loss {spoken_name(loss)}, got {got}{ways}")
        if y.min() < 0 or y.max() >= outputs:
            raise ValueError(f"y: expected labels in [0, {outputs - 1}], got {y.min()} to {y.max()}")
        return Batch(x, labels=np.ascontiguousarray(y, np.uint32), weights=weights)
    if y.reshape(len(y), -1).shape[1] != outputs or y.dtype.kind not in "biuf":
        expected = f"real numbers of shape (n, {outputs}) for loss {spoken_name(loss)}"
        raise ValueError(f"y: expected {expected}, got {y.dtype} {y.shape}")
    targets = _float32(y.reshape(len(y), outputs))
    _check_finite("y", targets)
    return Batch(x, targets=targets, weights=weights)
