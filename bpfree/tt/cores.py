# SPDX-License-Identifier: MIT
"""Tensor-train cores: initialisation, and conversion to and from dense weights.

TensorLy converts, whose TTMatrix has our layout of cores; the contraction in the
hot path is ours.
"""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

from bpfree.arithmetic import running_sum
from bpfree.tt.shapes import TTShape


def squared_norm(cores) -> float:
    """Return the squared Frobenius norm of W in float64, by sweeping Gram matrices without building W.

    The sums have a fixed order, so that initial weights are the same on every machine.
    """
    gram = np.ones((1, 1))
    for core in cores:
        wide = core.astype(np.float64)
        slices = wide.reshape(wide.shape[0], -1, wide.shape[3])  # (r, I O, r')
        half = running_sum(gram[:, :, None, None] * slices[:, None], axis=0)  # (r, I O, r')
        products = half[:, :, :, None] * slices[:, :, None, :]  # (r, I O, r', r')
        gram = running_sum(products.reshape(-1, *products.shape[2:]), axis=0)
    return float(gram[0, 0])


def initialise_cores(shape: TTShape, variance: float, draw) -> list[np.ndarray]:
    """Return random cores whose W has mean square `variance`, to rounding.

    All d cores are drawn with sigma_core = (variance / prod r_k)^(1/(2d)). Then a
    factor from the Frobenius norm, applied to the last core, removes the random
    deviation of the draw. draw: a function (k, size) -> uniform numbers in [0, 1).
    """
    d = len(shape.cores)
    sigma = (variance / prod(shape.ranks)) ** (1 / (2 * d))
    # pow() may differ in the last bit between C libraries, so only 12 bits of it are kept.
    mantissa, exponent = np.frexp(sigma)
    width = np.float32(sqrt(12.0) * np.ldexp(np.round(mantissa * 4096) / 4096, exponent))
    cores = [
        (draw(k, prod(core)).reshape(core) - np.float32(0.5)) * width for k, core in enumerate(shape.cores)
    ]
    wanted = variance * prod(shape.inputs) * prod(shape.outputs)
    factor = np.float32(sqrt(wanted / squared_norm(cores)))
    cores[-1] = cores[-1] * factor
    return cores


def to_dense(cores) -> np.ndarray:
    """Return W (prod inputs, prod outputs) of TT cores, by tensorly.tt_matrix.tt_matrix_to_matrix."""
    from tensorly.tt_matrix import tt_matrix_to_matrix

    return np.asarray(tt_matrix_to_matrix([np.asarray(core) for core in cores]))


def from_dense(weights, shape: TTShape) -> tuple[list[np.ndarray], float]:
    """Return the TT-SVD of weights (prod inputs, prod outputs): cores, and the relative Frobenius error.

    TensorLy's tensor_train_matrix decomposes. Raises ValueError for weights of another shape.
    """
    from tensorly.decomposition import tensor_train_matrix

    weights = np.asarray(weights)
    expected = (prod(shape.inputs), prod(shape.outputs))
    if weights.shape != expected:
        raise ValueError(f"weights: expected shape {expected}, got {weights.shape}")
    tensor = weights.reshape(*shape.inputs, *shape.outputs)
    cores = [np.asarray(core) for core in tensor_train_matrix(tensor, list(shape.ranks)).factors]
    error = np.linalg.norm(to_dense(cores) - weights) / np.linalg.norm(weights)
    return cores, float(error)
