# SPDX-License-Identifier: MIT
"""Nodes of ONNX as plain tuples: what an op's `to_onnx` returns. The onnx package is not needed here.

A row is (op_type, inputs, outputs, attributes, constants). Activations come
samples first, (n, features...), n unknown. Names are the op's own: "x0", "x1"
are its inputs, "y" is its output, "weight" or "core0" its parameters, and the
exporter makes them unique; SAMPLES is there for rows that ask for it.
`constants` holds the arrays behind names: each parameter, under its name and
in the order in which its row reads it, and what else a row needs.
"""

from __future__ import annotations

from math import prod

import numpy as np

BEFORE = ""
"""Stands in a step's inputs for what the step before it wrote."""

SAMPLES = "samples"
"""What an op that reads no tensor is told: n, an int64 of shape (1,)."""


def chain(*steps) -> list[tuple]:
    """Rows of steps (op_type, inputs, attributes, constants), each reading the one before.

    >>> chain(("Tanh", (BEFORE,), {}, {}), ("Sin", (BEFORE,), {}, {}))
    [('Tanh', ('x0',), ('t0',), {}, {}), ('Sin', ('t0',), ('y',), {}, {})]
    """
    rows, before = [], "x0"
    for k, (op_type, inputs, attributes, constants) in enumerate(steps):
        output = "y" if k + 1 == len(steps) else f"t{k}"
        inputs = tuple(before if name == BEFORE else name for name in inputs)
        rows.append((op_type, inputs, (output,), attributes, constants))
        before = output
    return rows


def elementwise(op_type: str):
    """The `to_onnx` of an op that is one ONNX node of one input."""
    return lambda site, parameters: chain(step(op_type))


def step(op_type: str, **attributes) -> tuple:
    """A step that reads nothing but the one before."""
    return op_type, (BEFORE,), attributes, {}


def reshape(*shape: int) -> tuple:
    """A step; -1 is where the samples are."""
    name = "x".join(map(str, shape))
    return "Reshape", (BEFORE, name), {}, {name: np.array(shape, np.int64)}


def flat(shape) -> list[tuple]:
    """The steps that make (n, features...) to (n, prod features): none, or one."""
    return [step("Flatten", axis=1)] * (len(shape) > 1)


def widened(shape, features: int) -> list[tuple]:
    """The steps that make (n, features...) to (n, wanted features), zeros behind."""
    missing = features - prod(shape)
    pads = np.array([0, 0, 0, missing], np.int64)
    return flat(shape) + [("Pad", (BEFORE, "pads"), {}, {"pads": pads})] * (missing > 0)
