# SPDX-License-Identifier: MIT
"""A tensor-train layer as nodes of ONNX."""

from __future__ import annotations

from math import prod

from bpfree.ops.onnx_rows import BEFORE, chain, reshape, step, widened


def sweep_rows(site, tt, parameters):
    """The sweep from the stored end, samples last: 4 d + 3 nodes, one less without bias, one more with padding.

    Before a core the values are (r, i, rest, done, n), samples last; its matrix
    makes (r', o, rest, done, n) of them. From the left, o moves behind `done`:
    outputs come in order, but for the last core's, which the transposition
    that puts samples first moves behind. From the right inputs are turned
    round first, and o moves before `done`.
    """
    left = site.attributes["start"] == "left"
    d, rest, done = len(tt.inputs), prod(tt.inputs), 1
    cores = [(f"core{k}", parameters[k] if left else parameters[k].transpose(3, 1, 2, 0)) for k in range(d)]
    steps = widened(site.shape, rest)
    if left:
        steps += [step("Transpose", perm=[1, 0])]
    else:
        steps += [reshape(-1, *tt.inputs), step("Transpose", perm=list(range(d, -1, -1)))]
    for name, core in cores if left else reversed(cores):
        r0, i, o, r1 = core.shape
        matrix = core.transpose(3, 2, 0, 1).reshape(r1 * o, r0 * i)
        rest //= i
        steps += [reshape(r0 * i, -1), ("MatMul", (name, BEFORE), {}, {name: matrix})]
        steps += [reshape(r1, o, rest * done if left else rest, -1), step("Transpose", perm=[0, 2, 1, 3])]
        done *= o
    if left:
        steps[-2:] = [reshape(o, done // o, -1), step("Transpose", perm=[2, 1, 0]), reshape(-1, done)]
    else:
        steps[-2:] = [reshape(done, -1), step("Transpose", perm=[1, 0])]
    if site.attributes["bias"]:
        steps += [("Add", (BEFORE, "bias"), {}, {"bias": parameters[d]})]
    return chain(*steps)
