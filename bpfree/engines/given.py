# SPDX-License-Identifier: MIT
"""What users give as inputs and labels: their layout, masks, and what labels are to be."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_unmasked


def make_inputs(graph, x) -> np.ndarray:
    """x as (n, features) float32, contiguous; raises when its layout is not the graph's. NaN passes.

    A sample has the graph's shape, is flat, or has or lacks axes of one element: of any
    other layout the same number of elements would be read in another order.
    """
    array = np.asarray(check_unmasked("x", x))
    if array.dtype.kind not in "biuf":
        raise TypeError(f"x: expected real numbers, got dtype {array.dtype}")
    features, layout = graph.input.size, graph.input.shape
    sized = array.ndim >= 2 and len(array) > 0 and array[0].size == features
    if not sized or not fits(array.shape[1:], layout):
        shapes = f"(n, {', '.join(map(str, layout))})" + ("" if len(layout) == 1 else f" or (n, {features})")
        ways = ": move its axes, or give x.reshape(len(x), -1) if its order is right" if sized else ""
        raise ValueError(f"x: expected shape {shapes} with n >= 1, got {array.shape}{ways}")
    return to_float32(array.reshape(len(array), features))


def fits(shape, layout) -> bool:
    """True where a sample of this shape is laid out as the graph's input, or flat."""
    return len(shape) == 1 or _long_axes(shape) == _long_axes(layout)


def _long_axes(shape) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def to_float32(array) -> np.ndarray:
    """The array in float32, contiguous; what does not fit becomes infinite."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, np.float32)


def check_finite_rows(name: str, values) -> None:
    """Raise unless all rows are finite: a NaN would end training at the first minibatch that it is in."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise ValueError(f"{name}: expected finite float32 numbers, got others in {bad.size} rows, first {bad[0]}")


def make_labels(name: str, y, classes: int, purpose: str = "", ways: str = "") -> np.ndarray:
    """Labels (n,) of whole numbers or truth values (n,) or (n, 1); raises with what makes them 0 to classes - 1.

    purpose: what they are for; ways: what else could be done with numbers that are no labels. Raises for one class,
    too: the largest of one output is always the same, and its softmax is 1.
    """
    if classes == 1:
        remedy = 'give it an output a class, or train it with loss="mse"'
        raise ValueError(f"model: expected two outputs or more, one a class, got one: {remedy}")
    whole = y.dtype.kind in "biu"
    if not whole or y.ndim == 0 or y.size != len(y):
        expected = " ".join(filter(None, ("integer labels (n,)", purpose)))
        how = _how_to_number(name, y) if not whole else f"{name}.argmax(axis=1) of rows with a single 1"
        advice = ", or ".join(filter(None, (ways if y.dtype.kind in "fc" else "", how)))
        raise TypeError(f"{name}: expected {expected}, got {y.dtype} {y.shape}: {advice}")
    labels = y.reshape(len(y)).astype(np.int64) if y.dtype.kind == "b" else y.reshape(len(y))
    if labels.min() < 0 or labels.max() >= classes:
        found, needed = f"{labels.min()} to {labels.max()}", len(np.unique(labels))
        outputs = f", for a model of {needed} outputs" if needed > classes else ""
        how = how_to_number_classes(name)
        raise ValueError(f"{name}: expected labels in [0, {classes - 1}], got {found}: {how}{outputs}")
    return labels


def how_to_number_classes(name) -> str:
    """Return the advice that makes labels 0 to k - 1 of an argument that holds others."""
    return f"np.unique({name}, return_inverse=True)[1] numbers classes from 0"


def _how_to_number(name, y) -> str:
    """What makes labels of an array that holds none."""
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.floor(y)).all():
        return f"{name}.astype(int) for classes"
    return how_to_number_classes(name)
