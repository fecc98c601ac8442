# SPDX-License-Identifier: MIT
"""The last layer in closed form: ridge regression on the features that the layers before it compute."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from bpfree.blas import threads_for
from bpfree.engines.batch import check_weights, mean_1
from bpfree.engines.classes import predicted
from bpfree.engines.cost import node_macs
from bpfree.engines.given import check_finite_rows, make_inputs
from bpfree.errors import check_positive, check_unmasked
from bpfree.graph import INPUT
from bpfree.model import Model

RIDGES = tuple(10.0**k for k in range(-8, 2))
"""Ridge strengths to try, in units of the features' mean variance times the number of samples."""

CHUNK = 4096
"""Number of samples whose features are held at a time: those of all of MNIST would take half a gigabyte."""


def fit_head(model: Model, data, *, validation=None, ridge=RIDGES) -> Model:
    """Return a copy of the model whose last layer, a Linear with bias, is solved in closed form.

        min_W,b  sum_n w_n |W f_n + b - t_n|^2 + ridge s |W|^2,   s = n times the mean variance of the features f

    The other layers are unchanged, and the bias is not penalised. Equivalent to
    sklearn.linear_model.Ridge(alpha=ridge s).fit(f, t, sample_weight=w).

    data, validation: (x, y), where y holds integer labels (n,), for which t are one-hot vectors,
    or targets (n, outputs); or (x, y, w), whose weights w (n,) are divided by their mean. Else they are 1.
    ridge: one strength, or several, of which the one with the best accuracy (or the least squared error)
    on `validation` is taken, or the first of equals.

    This is the closed-form tier: one pass over the data, without steps or a
    learning rate. Training of the other layers has to beat it, and for the loss
    "mse" it can improve the last layer after training. Source: Hoerl and Kennard,
    Technometrics 1970.

    >>> import bpfree as bf
    >>> train, validation, test = bf.datasets.load_digits()
    >>> model = bf.Sequential(64, [bf.Linear(64), bf.ReLU(), bf.Linear(10)])
    >>> fit_head(model, train, validation=validation).accuracy(*test) > 0.85
    True
    """
    strengths = ridge_strengths(ridge, validation)
    head = model.graph.nodes[-1]
    parts = model.graph.slices_of(head)
    if not (head.op.layer and head.op.layer.dense) or len(parts) != 2:
        raise ValueError(f"model: expected Linear with bias as the last layer, got {head.op.name} ({head.name})")
    if any(part.frozen for part in parts):
        raise ValueError(f"model: expected a last layer that is trained, got {head.name} frozen: unfreeze it")
    outputs, validation = model.graph.output.size, data if validation is None else validation
    with threads_for(solving_macs(model.graph, CHUNK)):
        heads = ridge_heads(feature_chunks(model, data), outputs, strengths)
        best = int(np.argmin(_errors(feature_chunks(model, validation), heads)))
    solved = Model(model.graph, model.theta, model.frozen)
    for part, values in zip(parts, (heads[best][0].T, heads[best][1])):
        solved.theta[part.range] = np.asarray(values, np.float32).ravel()
    return solved


def ridge_strengths(ridge, validation) -> list[float]:
    """Return the strengths to try; raise for several without samples to choose by."""
    strengths = [check_positive("ridge", strength) for strength in np.atleast_1d(ridge).tolist()]
    if not strengths:
        raise ValueError("ridge: expected at least one strength, got none")
    if validation is None and len(strengths) > 1:
        raise ValueError("validation: expected (x, y) to choose between ridge strengths, got None")
    return strengths


def feature_chunks(model, data):
    """Yield features (k, width), y (k, ...) and, if there are some, weights (k,) of up to CHUNK samples at a time."""
    model.check_finite()
    x, y, *given = data
    y = np.asarray(check_unmasked("y", y))
    weights = [mean_1("w", check_weights("w", w, len(x))).astype(np.float64) for w in given]
    if y.ndim == 0 or len(y) != len(x):
        raise ValueError(f"y: expected one row per sample ({len(x)}), got shape {y.shape}")
    for start in range(0, len(x), CHUNK):
        own = slice(start, start + CHUNK)
        yield body_features(model, x[own]), y[own], *(w[own] for w in weights)


def body_features(model: Model, x) -> np.ndarray:
    """Return the float64 inputs (n, width) of the last layer for samples x (n, features...)."""
    graph = model.graph
    head = graph.nodes[-1]
    if not (head.op.layer and head.op.layer.matrix):
        raise ValueError(f"model: expected a linear or TT layer at the end, got {head.op.name} ({head.name})")
    source = graph.tensors[head.inputs[0]].name
    inputs = make_inputs(graph, x)
    check_finite_rows("x", inputs)
    features = inputs if source == INPUT else model.up_to(source).predict(inputs)
    return features.astype(np.float64)


def ridge_heads(chunks, classes, strengths) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (weight, bias) for each strength, from one eigendecomposition; the bias is not penalised.

    chunks: of features, y and, where samples have weights, weights, whose mean is 1.
    The features are summed minus their mean c in the first chunk, and centred at
    the end: sum (f - m)(f - m)^T = sum (f - c)(f - c)^T - n (m - c)(m - c)^T.
    """
    n, gram, cross, sums, counts, first = 0, 0.0, 0.0, 0.0, 0.0, None
    for features, y, *weights in chunks:
        first = features.mean(axis=0) if first is None else first
        features, targets = features - first, _targets(y, classes)
        weighed, weighed_targets = (_weighed(rows, weights) for rows in (features, targets))
        n += weights[0].sum() if weights else len(features)
        gram, cross = gram + features.T @ weighed, cross + features.T @ weighed_targets
        sums, counts = sums + weighed.sum(axis=0), counts + weighed_targets.sum(axis=0)
    shift, middle = sums / n, counts / n
    values, vectors = linalg.eigh(gram - n * np.outer(shift, shift))
    right = vectors.T @ (cross - np.outer(sums, middle))
    unit = max(values.mean(), np.finfo(np.float64).tiny)
    heads = []
    for strength in strengths:
        weight = vectors @ (right / (np.maximum(values, 0) + strength * unit)[:, None])
        heads.append((weight, middle - (first + shift) @ weight))
    return heads


def solving_macs(graph, n: int) -> int:
    """Return the multiply-accumulates of solving a head from n samples.

    They are those of the pass up to the head, of the sums, and of an
    eigendecomposition, which counts 9/2 w^3 for w features (Golub and Van Loan,
    Matrix Computations, 8.3: 9 w^3 operations). The cost of choosing between
    strengths is left out.

    >>> from bpfree import Linear, ReLU, Sequential
    >>> solving_macs(Sequential(4, [Linear(6), ReLU(), Linear(2)]).graph, 100) == 100 * (4 * 6 + 6 * (6 + 2)) + 972
    True
    """
    head, outputs = graph.nodes[-1], graph.output.size
    width = graph.tensors[head.inputs[0]].size
    return n * (sum(node_macs(graph)[:-1]) + width * (width + outputs)) + 9 * width**3 // 2


def _targets(y, outputs: int) -> np.ndarray:
    """Return one-hot vectors of labels, or the targets themselves, (n, outputs)."""
    if _are_labels(y):
        if y.min() < 0 or y.max() >= outputs:
            raise ValueError(f"y: expected labels in [0, {outputs - 1}], got {y.min()} to {y.max()}")
        return np.eye(outputs)[y]
    if y.reshape(len(y), -1).shape[1] != outputs:
        raise ValueError(f"y: expected integer labels (n,) or targets (n, {outputs}), got {y.dtype} {y.shape}")
    targets = y.reshape(len(y), outputs).astype(np.float64)
    check_finite_rows("y", targets)
    return targets


def _weighed(rows, weights):
    """Return each row times its weight, where there are weights."""
    return (rows.T * weights[0]).T if weights else rows


def _are_labels(y) -> bool:
    return y.ndim == 1 and np.issubdtype(y.dtype, np.integer)


def _errors(chunks, heads) -> list[float]:
    """Return the error of each head: the number of wrong answers, or the sum of squares for targets."""
    errors = np.zeros(len(heads))
    for features, y, *weights in chunks:
        for k, (weight, bias) in enumerate(heads):
            outputs = features @ weight + bias
            if _are_labels(y):
                errors[k] += _weighed(predicted(outputs) != y, weights).sum()
            else:
                errors[k] += _weighed(np.square(outputs - _targets(y, outputs.shape[1])), weights).sum()
    return errors.tolist()
