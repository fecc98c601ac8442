# SPDX-License-Identifier: MIT
"""Jets through one operation: the value as ever, the streams by the chain rule."""

from __future__ import annotations

import numpy as np

from bpfree.ops.runs import run_op, slope_of


def check_jets(nodes) -> None:
    """Raise unless derivatives go through every one of these nodes."""
    for node in nodes:
        if not node.op.has_jet:
            remedy = "give it one, or a rule of shifted points such as bpfree.pde.Differences()"
            raise ValueError(f"{node.label}: expected an operation that derivatives go through, got no jet: {remedy}")


def through(op, site, arithmetic, parameters, jets, streams, n: int):
    """Value (features, n) and streams (features, count - 1, n) behind an op that has a jet.

    jets: those of each tensor that it reads, [(value, rest), ...]. streams: :class:`bpfree.pde.streams.Streams`.
    """
    inputs, rests = tuple(value for value, _ in jets), tuple(rest for _, rest in jets)
    if op.jet is not None and op.jet.taylor is not None and streams.count > 1:
        return op.jet.taylor(site, arithmetic, parameters, inputs, rests, streams)
    y = run_op(op, site, arithmetic, parameters, inputs, n)
    if streams.count == 1:  # the value alone is asked for
        return y, np.zeros((len(y), 0, n), y.dtype)
    if op.is_affine:
        columns = tuple(rest.reshape(len(rest), -1) for rest in rests)
        moved = op.jet.tangent(site, arithmetic, parameters, columns)
        moved = moved if jets else np.repeat(moved, (streams.count - 1) * n, axis=1)
        return y, moved.reshape(-1, streams.count - 1, n)
    slope = slope_of(op, "derivative", site, arithmetic, inputs[0], y)
    curvature = op.elementwise.curvature and slope_of(op, "curvature", site, arithmetic, inputs[0], y)
    return y, streams.chain(arithmetic, rests[0], slope, curvature)
