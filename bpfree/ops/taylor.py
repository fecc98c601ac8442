# SPDX-License-Identifier: MIT
"""Jets through one operation: the value as ever, the streams by the chain rule."""

from __future__ import annotations

import numpy as np


def through(op, arithmetic, parameters, inputs, attributes, streams):
    """Value (features, n) and streams (features, count - 1, n) behind an op.

    inputs: those of each tensor that it reads, [(value, rest), ...]. streams: :class:`bpfree.pde.streams.Streams`.
    """
    values, rests = zip(*inputs)
    value, rest = (values, rests) if op.arity > 1 else (values[0], rests[0])
    if streams.count == 1:
        y = op.forward(arithmetic, parameters, value, attributes)
        return y, np.zeros((len(y), 0, y.shape[-1]), y.dtype)
    if op.taylor:
        return op.taylor(arithmetic, parameters, value, rest, attributes, streams)
    y = op.forward(arithmetic, parameters, value, attributes)
    if streams.count == 1:
        return y, y[:, None][:, :0]  # the value alone is asked for
    if op.tangent:
        columns = [part.reshape(len(part), -1) for part in rests]
        moved = op.tangent(arithmetic, parameters, columns if op.arity > 1 else columns[0], attributes)
        return y, moved.reshape(-1, *rests[0].shape[1:])
    slope = op.derivative(arithmetic, value, y, attributes)
    curvature = op.curvature and op.curvature(arithmetic, value, y, attributes)
    return y, streams.chain(arithmetic, rest, slope, curvature)
