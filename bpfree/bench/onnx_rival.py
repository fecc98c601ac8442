# SPDX-License-Identifier: MIT
"""The layers of the engine benchmark in onnxruntime: float32, one thread."""

from __future__ import annotations

from math import prod

import numpy as np

from bpfree.tt.cores import to_dense

OPSET = 17
"""The version of ONNX, old enough for every onnxruntime in use."""


def onnx_rivals(model, x) -> dict:
    """Return functions that compute the model's outputs for x; raise ImportError without onnx or onnxruntime."""
    import onnx  # noqa: F401  (so that the error names the first missing package)
    import onnxruntime  # noqa: F401

    parameters = list(model.parameters().values())
    if model.graph.nodes[0].op.layer.dense:
        weight, bias = parameters
        return {"onnxruntime": _session(*_gemm(weight, bias), x)}
    cores, bias = parameters[:-1], parameters[-1]
    return {
        "onnxruntime-dense": _session(*_gemm(np.ascontiguousarray(to_dense(cores).T), bias), x),
        "onnxruntime-sweep": _session(*_sweep(cores, bias, len(x)), x),
    }


def _gemm(weight, bias):
    """Return y = x W^T + b as one node, and its constants."""
    return [("Gemm", ["x", "w", "b"], "y", {"transB": 1})], {"w": weight, "b": bias}


def _sweep(cores, bias, n):
    """Return nodes that contract core by core from the left, (n P, r i, rest) -> (n P o, r', rest), and constants."""
    nodes, constants, now = [], {"b": bias}, "x"

    def reshape(shape):
        constants[f"s{len(nodes)}"] = np.array(shape, np.int64)
        return add("Reshape", f"s{len(nodes)}")

    def add(op, *others, **attributes):
        nonlocal now
        nodes.append((op, [now, *others], f"t{len(nodes)}", attributes))
        now = nodes[-1][2]

    parts, rest = n, prod(core.shape[1] for core in cores)
    for k, core in enumerate(cores):
        r0, i, o, r1 = core.shape
        rest //= i
        constants[f"c{k}"] = core.reshape(r0 * i, o * r1)
        reshape((parts, r0 * i, rest))
        add("Transpose", perm=[0, 2, 1])
        add("MatMul", f"c{k}")
        reshape((parts, rest, o, r1))
        add("Transpose", perm=[0, 2, 3, 1])
        parts *= o
    reshape((n, bias.size))
    nodes.append(("Add", [now, "b"], "y", {}))
    return nodes, constants


def _session(nodes, constants, x):
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(op, inputs, [output], **attributes) for op, inputs, output, attributes in nodes],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, ["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})[0]
