# SPDX-License-Identifier: MIT
"""Floors: the accuracies that a network reaches without training, with which trained ones are compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bpfree.blas import threads_for
from bpfree.engines.classes import predicted
from bpfree.errors import check_unmasked
from bpfree.model import Model
from bpfree.study.heads import CHUNK, RIDGES, feature_chunks, ridge_heads, ridge_strengths, solving_macs


class Floor(NamedTuple):
    """The floor of several models: mean accuracy, the accuracy of each, and the ridge strength chosen for each."""

    accuracy: float
    accuracies: list[float]
    ridges: list[float]


def random_features_floor(models, train, test, *, validation=None, ridge=RIDGES) -> Floor:
    """Return the test accuracy of a network whose layers stay random, except for a last layer in closed form.

    The last layer becomes a dense layer with bias, fitted to one-hot labels of
    `train` by ridge regression. Of several ridge strengths, each model takes the
    one with the best accuracy on `validation`, or the first of equals. Equivalent
    to sklearn.linear_model.Ridge on the features, with the strength in its units.

    models: an untrained Model that ends in a linear or TT layer, or several, one per seed.
    train, test, validation: samples (x, labels).
    ridge: one strength or several, as for `fit_head`.

    >>> from bpfree import Linear, ReLU, Sequential, random_features_floor
    >>> from bpfree.datasets import load_digits
    >>> train, validation, test = load_digits()
    >>> models = [Sequential(64, [Linear(16), ReLU(), Linear(10)], seed=seed) for seed in range(3)]
    >>> 0.6 < random_features_floor(models, train, test, validation=validation).accuracy < 0.9
    True
    """
    strengths = ridge_strengths(ridge, validation)
    models = [models] if isinstance(models, Model) else list(models)
    if not models or not all(isinstance(model, Model) for model in models):
        raise TypeError(f"models: expected a Model or several, got {models!r}")
    rows = [_floor(model, train, test, validation or train, strengths) for model in models]
    accuracies, ridges = map(list, zip(*rows))
    return Floor(float(np.mean(accuracies)), accuracies, ridges)


def _floor(model, train, test, validation, strengths) -> tuple[float, float]:
    """Return the test accuracy, and the ridge strength chosen."""
    train, validation, test = (
        _checked(model, data, name) for data, name in ((train, "train"), (validation, "validation"), (test, "test"))
    )
    with threads_for(solving_macs(model.graph, CHUNK)):
        heads = ridge_heads(feature_chunks(model, train), model.graph.output.size, strengths)
        best = int(np.argmax(_accuracies(feature_chunks(model, validation), heads)))
        return _accuracies(feature_chunks(model, test), heads[best : best + 1])[0], strengths[best]


def _checked(model, data, name):
    """Return x and labels of a split; raise unless the labels are classes of the model."""
    if len(data) != 2:
        raise TypeError(f"{name}: expected samples (x, labels), whose floor has no weights, got {len(data)} parts")
    (x, labels), classes = data, model.graph.output.size
    labels = np.asarray(check_unmasked(name, labels))
    if labels.shape != (len(x),) or not np.issubdtype(labels.dtype, np.integer):
        wanted = f"integer labels of shape ({len(x)},)"
        raise TypeError(f"{name}: expected {wanted}, got {labels.dtype} {labels.shape}")
    low, high = labels.min(), labels.max()
    if low < 0 or high >= classes:
        raise ValueError(f"{name}: expected labels in [0, {classes - 1}], got {low} to {high}")
    return x, labels


def _accuracies(chunks, heads) -> list[float]:
    """Return the share of right answers of each head."""
    right, n = np.zeros(len(heads)), 0
    for features, labels in chunks:
        right += [(predicted(features @ weight + bias) == labels).sum() for weight, bias in heads]
        n += len(labels)
    return (right / n).tolist()
