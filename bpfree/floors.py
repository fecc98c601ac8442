# SPDX-License-Identifier: MIT
"""Floors: what a network reaches without training, to stand beside every trained number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg

from bpfree.engines.batch import make_inputs
from bpfree.errors import check_positive
from bpfree.graph import Graph
from bpfree.model import Model

RIDGES = tuple(10.0**k for k in range(-8, 2))
"""Ridge strengths tried, in units of the features' mean variance times the number of samples."""


_CHUNK = 4096
"""Samples whose features are held at a time."""


class Floor(NamedTuple):
    """accuracy: mean over the models; accuracies and ridges: of each of them."""

    accuracy: float
    accuracies: list[float]
    ridges: list[float]


def random_features_floor(models, train, test, *, validation=None, ridge=RIDGES) -> Floor:
    """Test accuracy of a network whose layers stay random but for the last, which is solved for.

    models: an untrained Model ending in a linear or TT layer, or several, one
    a seed. All layers but the last stay as they are; the last becomes a dense
    layer with bias, fitted to one-hot labels by ridge regression in closed
    form, on `train`. Of several ridge strengths, each model takes the one of
    best accuracy on `validation` (the first of equals). train, test,
    validation: (x, labels).

    >>> from bpfree import Linear, ReLU, Sequential
    >>> from bpfree.datasets import load_digits
    >>> train, validation, test = load_digits()
    >>> models = [Sequential(64, [Linear(16), ReLU(), Linear(10)], seed=seed) for seed in range(3)]
    >>> 0.6 < random_features_floor(models, train, test, validation=validation).accuracy < 0.9
    True
    """
    strengths = [check_positive("ridge", strength) for strength in np.atleast_1d(ridge).tolist()]
    if not strengths:
        raise ValueError("ridge: expected at least one strength, got none")
    if validation is None and len(strengths) > 1:
        raise ValueError("validation: expected (x, labels) to choose between ridge strengths, got None")
    models = [models] if isinstance(models, Model) else list(models)
    if not models or not all(isinstance(model, Model) for model in models):
        raise TypeError(f"models: expected a Model or several, got {models!r}")
    rows = [_floor(model, train, test, validation or train, strengths) for model in models]
    accuracies, ridges = map(list, zip(*rows))
    return Floor(float(np.mean(accuracies)), accuracies, ridges)


def _floor(model, train, test, validation, strengths) -> tuple[float, float]:
    """Test accuracy and the ridge strength chosen."""
    train, validation, test = (
        _checked(model, data, name) for data, name in ((train, "train"), (validation, "validation"), (test, "test"))
    )
    heads = _ridge_heads(_chunks(model, train), model.graph.output.size, strengths)
    best = int(np.argmax(_accuracies(_chunks(model, validation), heads)))
    return _accuracies(_chunks(model, test), heads[best : best + 1])[0], strengths[best]


def _checked(model, data, name):
    """x and labels of a split."""
    (x, labels), classes = data, model.graph.output.size
    labels = np.asarray(labels)
    if labels.shape != (len(x),) or not np.issubdtype(labels.dtype, np.integer):
        wanted = f"integer labels of shape ({len(x)},)"
        raise TypeError(f"{name}: expected {wanted}, got {labels.dtype} {labels.shape}")
    low, high = labels.min(), labels.max()
    if low < 0 or high >= classes:
        raise ValueError(f"{name}: expected labels in [0, {classes - 1}], got {low} to {high}")
    return x, labels


def _chunks(model, data):
    """Features and labels, a few samples at a time: those of all of MNIST would take half a gigabyte."""
    x, labels = data
    for start in range(0, len(x), _CHUNK):
        yield body_features(model, x[start : start + _CHUNK]), labels[start : start + _CHUNK]


def body_features(model: Model, x) -> np.ndarray:
    """Float64 inputs (n, width) of the last layer, for samples x (n, features...)."""
    graph = model.graph
    head = graph.nodes[-1]
    if head.op not in ("linear", "tt_linear"):
        raise ValueError(f"models: expected a linear or TT layer at the end, got {head.op} ({head.name})")
    nodes = graph.nodes[:-1]
    while nodes and nodes[-1].output != head.inputs[0]:
        nodes = nodes[:-1]
    if not nodes:
        return make_inputs(graph, x).astype(np.float64)
    slices = graph.slices[: nodes[-1].first_slice + nodes[-1].n_slices]
    body = Graph(nodes, graph.tensors, slices)
    part = Model(body, model.theta[: body.n_theta], model.frozen[: body.n_frozen])
    return part.predict(x).astype(np.float64)


def _ridge_heads(chunks, classes, strengths) -> list[tuple[np.ndarray, np.ndarray]]:
    """(weight, bias) for each strength; the bias is not penalised. One eigendecomposition serves all.

    Sums are taken of features less their mean in the first chunk, and centred
    at the end: sum (f - m)(f - m)^T = sum (f - c)(f - c)^T - n (m - c)(m - c)^T.
    """
    n, gram, cross, sums, counts, first = 0, 0.0, 0.0, 0.0, 0.0, None
    for features, labels in chunks:
        first = features.mean(axis=0) if first is None else first
        features, targets = features - first, np.eye(classes)[labels]
        n, gram, cross = n + len(features), gram + features.T @ features, cross + features.T @ targets
        sums, counts = sums + features.sum(axis=0), counts + targets.sum(axis=0)
    shift, middle = sums / n, counts / n
    values, vectors = linalg.eigh(gram - n * np.outer(shift, shift))
    right = vectors.T @ (cross - np.outer(sums, middle))
    unit = max(values.mean(), np.finfo(np.float64).tiny)
    heads = []
    for strength in strengths:
        weight = vectors @ (right / (np.maximum(values, 0) + strength * unit)[:, None])
        heads.append((weight, middle - (first + shift) @ weight))
    return heads


def _accuracies(chunks, heads) -> list[float]:
    """Share of right answers of each head."""
    right, n = np.zeros(len(heads)), 0
    for features, labels in chunks:
        right += [((features @ weight + bias).argmax(axis=1) == labels).sum() for weight, bias in heads]
        n += len(labels)
    return (right / n).tolist()
