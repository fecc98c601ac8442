# SPDX-License-Identifier: MIT
"""The last layer in closed form: least squares on what the layers before it make of the samples."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from bpfree.engines.batch import make_inputs
from bpfree.engines.cost import node_macs
from bpfree.errors import check_positive
from bpfree.graph import Graph
from bpfree.model import Model
from bpfree.ops import OPS

RIDGES = tuple(10.0**k for k in range(-8, 2))
"""Ridge strengths tried, in units of the features' mean variance times the number of samples."""

CHUNK = 4096
"""Samples whose features are held at a time: those of all of MNIST would take half a gigabyte."""


def fit_head(model: Model, data, *, validation=None, ridge=RIDGES) -> Model:
    """A copy of the model whose last layer, a Linear with bias, is solved for; the others stay as they are.

        min_W,b  sum_n |W f_n + b - t_n|^2 + ridge s |W|^2,   s = n times the mean variance of the features f

    data, validation: (x, y), y integer labels (n,), then t are one-hot vectors,
    or targets (n, outputs). ridge: one strength, or several, of which the one of
    best accuracy (or least squared error) on `validation` is taken, the first of
    equals. The bias is not penalised.

    Closed-form tier: one pass over the data, no step, no learning rate. It is what
    training of the other layers has to beat, and a good last touch after it
    where the loss is "mse". (Hoerl and Kennard, Technometrics 1970.)

    >>> import bpfree as bf
    >>> train, validation, test = bf.datasets.load_digits()
    >>> model = bf.Sequential(64, [bf.Linear(64), bf.ReLU(), bf.Linear(10)])
    >>> fit_head(model, train, validation=validation).accuracy(*test) > 0.85
    True
    """
    strengths = ridge_strengths(ridge, validation)
    head = model.graph.nodes[-1]
    parts = model.graph.slices[head.first_slice : head.first_slice + head.n_slices]
    if not OPS[head.op].dense or len(parts) != 2:
        raise ValueError(f"model: expected Linear with bias as the last layer, got {head.op} ({head.name})")
    outputs, validation = model.graph.output.size, data if validation is None else validation
    heads = ridge_heads(feature_chunks(model, data), outputs, strengths)
    best = int(np.argmin(_errors(feature_chunks(model, validation), heads)))
    solved = Model(model.graph, model.theta, model.frozen)
    for part, values in zip(parts, (heads[best][0].T, heads[best][1])):
        vector = solved.frozen if part.frozen else solved.theta
        vector[part.range] = np.asarray(values, np.float32).ravel()
    return solved


def ridge_strengths(ridge, validation) -> list[float]:
    """The strengths to try; several need samples to choose by."""
    strengths = [check_positive("ridge", strength) for strength in np.atleast_1d(ridge).tolist()]
    if not strengths:
        raise ValueError("ridge: expected at least one strength, got none")
    if validation is None and len(strengths) > 1:
        raise ValueError("validation: expected (x, y) to choose between ridge strengths, got None")
    return strengths


def feature_chunks(model, data):
    """Features and y, a few samples at a time."""
    x, y = data
    y = np.asarray(y)
    if y.ndim == 0 or len(y) != len(x):
        raise ValueError(f"y: expected one row a sample ({len(x)}), got shape {y.shape}")
    for start in range(0, len(x), CHUNK):
        yield body_features(model, x[start : start + CHUNK]), y[start : start + CHUNK]


def body_features(model: Model, x) -> np.ndarray:
    """Float64 inputs (n, width) of the last layer, for samples x (n, features...)."""
    graph = model.graph
    head = graph.nodes[-1]
    if OPS[head.op].matrix is None:
        raise ValueError(f"model: expected a linear or TT layer at the end, got {head.op} ({head.name})")
    nodes = graph.nodes[:-1]
    while nodes and nodes[-1].output != head.inputs[0]:
        nodes = nodes[:-1]
    if not nodes:
        return make_inputs(graph, x).astype(np.float64)
    slices = graph.slices[: nodes[-1].first_slice + nodes[-1].n_slices]
    body = Graph(nodes, graph.tensors, slices)
    part = Model(body, model.theta[: body.n_theta], model.frozen[: body.n_frozen])
    return part.predict(x).astype(np.float64)


def ridge_heads(chunks, classes, strengths) -> list[tuple[np.ndarray, np.ndarray]]:
    """(weight, bias) for each strength; the bias is not penalised. One eigendecomposition serves all.

    Sums are taken of features less their mean in the first chunk, and centred
    at the end: sum (f - m)(f - m)^T = sum (f - c)(f - c)^T - n (m - c)(m - c)^T.
    """
    n, gram, cross, sums, counts, first = 0, 0.0, 0.0, 0.0, 0.0, None
    for features, y in chunks:
        first = features.mean(axis=0) if first is None else first
        features, targets = features - first, _targets(y, classes)
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


def solving_macs(graph, n: int) -> int:
    """Multiply-accumulates of a head from n samples: their pass up to it, the sums, an eigendecomposition.

    The last with 9/2 w^3 for w features (Golub and Van Loan, Matrix Computations,
    8.3: 9 w^3 operations). What choosing between strengths costs is left out.

    >>> from bpfree import Linear, ReLU, Sequential
    >>> solving_macs(Sequential(4, [Linear(6), ReLU(), Linear(2)]).graph, 100) == 100 * (4 * 6 + 6 * (6 + 2)) + 972
    True
    """
    head, outputs = graph.nodes[-1], graph.output.size
    width = graph.tensors[head.inputs[0]].size
    return n * (sum(node_macs(graph)[:-1]) + width * (width + outputs)) + 9 * width**3 // 2


def _targets(y, outputs: int) -> np.ndarray:
    """One-hot vectors of labels, or the targets themselves, (n, outputs)."""
    if _are_labels(y):
        if y.min() < 0 or y.max() >= outputs:
            raise ValueError(f"y: expected labels in [0, {outputs - 1}], got {y.min()} to {y.max()}")
        return np.eye(outputs)[y]
    if y.reshape(len(y), -1).shape[1] != outputs:
        raise ValueError(f"y: expected integer labels (n,) or targets (n, {outputs}), got {y.dtype} {y.shape}")
    return y.reshape(len(y), outputs).astype(np.float64)


def _are_labels(y) -> bool:
    return y.ndim == 1 and np.issubdtype(y.dtype, np.integer)


def _errors(chunks, heads) -> list[float]:
    """Of each head: the number of wrong answers, or the sum of squares where there are no labels."""
    errors = np.zeros(len(heads))
    for features, y in chunks:
        for k, (weight, bias) in enumerate(heads):
            outputs = features @ weight + bias
            if _are_labels(y):
                errors[k] += (outputs.argmax(axis=1) != y).sum()
            else:
                errors[k] += np.square(outputs - _targets(y, outputs.shape[1])).sum()
    return errors.tolist()
