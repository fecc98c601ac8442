# SPDX-License-Identifier: MIT
"""A model as an ONNX graph: the ops' rows, put together under names that are unique."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, helper, numpy_helper

import bpfree
from bpfree.graph import INPUT, Graph, Node, Tensor
from bpfree.ops.onnx_rows import SAMPLES
from bpfree.ops.softmax import OP as SOFTMAX

OPSET, IR_VERSION = 13, 7
OUTPUT = "output"
_PRODUCER = "bpfree"
"""The producer's name in a file, by which an earlier export is known."""

_N = "n"
"""The dimension of the samples, whose size a file does not know."""


def serialised(model, softmax: bool, name: str) -> bytes:
    """The file's bytes."""
    return build(model, softmax, name).SerializeToString(deterministic=True)


def is_export(data: bytes) -> bool:
    """Return whether a file says that it was made here: tools that change one name themselves as its producer."""
    try:
        return ModelProto.FromString(data).producer_name == _PRODUCER
    except DecodeError:
        return False


def build(model, softmax: bool, name: str) -> ModelProto:
    """The model's graph, hashes in the metadata."""
    graph = _with_softmax(model.graph) if softmax else model.graph
    parts = _Parts(graph, model)
    proto = helper.make_model(
        helper.make_graph(
            parts.nodes,
            name,
            [_value(INPUT, graph.input)],
            [_value(OUTPUT, graph.output)],
            [numpy_helper.from_array(np.ascontiguousarray(value), key) for key, value in parts.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=_PRODUCER,
        producer_version=bpfree.__version__,
    )
    about = {"version": bpfree.__version__, "model_hash": f"{model.graph.hash():016x}", "theta_hash": model.hash}
    helper.set_model_props(proto, {f"bpfree.{key}": value for key, value in about.items()})
    return proto


class _Parts:
    """nodes: NodeProtos; constants: initialisers by name, parameters among them under their slice's name."""

    def __init__(self, graph: Graph, model):
        self.nodes, self.constants, self._n = [], {}, None
        self._taken = {"", INPUT, OUTPUT, *(s.name for s in graph.slices)}
        self._tensors = {0: INPUT, graph.nodes[-1].output: OUTPUT}
        for node in graph.nodes:
            if node.output not in self._tensors:
                self._tensors[node.output] = self._unique(node.name)
            self._append(node, graph, model)

    def _append(self, node: Node, graph: Graph, model) -> None:
        parameters = graph.parameters(node, model.theta, model.frozen)
        names = {f"x{k}": self._tensors[tensor] for k, tensor in enumerate(node.inputs)}
        names |= {s.name.rpartition(".")[2]: s.name for s in graph.slices_of(node)}
        names["y"] = self._tensors[node.output]
        for op_type, inputs, outputs, attributes, constants in node.op.onnx.to_onnx(node.site, parameters):
            if SAMPLES in inputs:
                names[SAMPLES] = self._samples()
            for name in (*inputs, *outputs):
                if name not in names:
                    names[name] = self._unique(f"{node.name}.{name}")
            inputs, outputs = [names[k] for k in inputs], [names[k] for k in outputs]
            self.nodes.append(helper.make_node(op_type, inputs, outputs, name=outputs[0], **attributes))
            self.constants |= {names[key]: value for key, value in constants.items()}

    def _samples(self) -> str:
        """The tensor that holds n, made of the input's shape once it is asked for."""
        if self._n is None:
            shape, first, self._n = map(self._unique, ("input.shape", "input.first", SAMPLES))
            self.constants[first] = np.zeros(1, np.int64)
            self.nodes.append(helper.make_node("Shape", [INPUT], [shape], name=shape))
            self.nodes.append(helper.make_node("Gather", [shape, first], [self._n], name=self._n))
        return self._n

    def _unique(self, name: str) -> str:
        # names of nodes may come from a file: "a.bias" may be a node beside the bias of a node "a"
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _with_softmax(graph: Graph) -> Graph:
    """The graph with probabilities behind its scores."""
    site = SOFTMAX.site({}, [graph.output.shape])
    node = Node(SOFTMAX, "softmax", (graph.nodes[-1].output,), len(graph.tensors), len(graph.slices), 0, site)
    return replace(graph, nodes=(*graph.nodes, node), tensors=(*graph.tensors, Tensor("softmax", site.output_shape)))


def _value(name: str, tensor: Tensor):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [_N, *tensor.shape])
