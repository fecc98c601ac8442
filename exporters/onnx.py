# SPDX-License-Identifier: MIT
"""ONNX: one file that onnxruntime and its like run, the way the model computes."""

from __future__ import annotations

from pathlib import Path

from bpfree.errors import check_choice, check_path
from bpfree.files import write_atomically
from bpfree.model import Model
from bpfree.ops.softmax import OP as SOFTMAX
from bpfree.registry import check_name

__all__ = ["export"]


def export(model, path, *, softmax: bool = False, name: str = "bpfree") -> Path:
    """Write `model` as an ONNX file; returns the path. Needs `pip install "bpfree[onnx]"`.

    Opset 13 and IR version 7 (ONNX 1.8, 2020): the oldest in which every op
    means what it means today, for the sake of converters to small devices.
    The input "input" is (n, features...) with the model's shape, the output
    "output" (n, ...) that of the last layer; float32, n samples, n >= 1. A
    tensor-train layer of d cores becomes 4 d + 3 nodes (Reshape, MatMul,
    Reshape, Transpose a core) and stays as small as it is. Parameters, trained
    and frozen, are initialisers under their own names; the cores lie as MatMul
    reads them. Metadata: `bpfree.version`, `bpfree.model_hash`,
    `bpfree.theta_hash`. The same model gives the same bytes everywhere.

    Results agree with the model's own to float32 rounding, not to the bit: a
    runtime sums in its own order.

    Args:
        model: with finite parameters.
        path: written whole or not at all. A file that is there is replaced if it names bpfree as its producer; any
            other is an error.
        softmax: end in probabilities instead of the scores that were trained, of two outputs or more.
        name: of the graph, which viewers show.

    Raises TypeError or ValueError naming the argument or the node, ImportError
    without the onnx package, OSError where the file cannot be written.

    >>> import bpfree as bf, tempfile
    >>> model = bf.Sequential(64, [bf.TTLinear((8, 8), (4, 8), rank=6), bf.ReLU(), bf.Linear(10)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     bf.exporters.onnx.export(model, folder + "/digits.onnx").name
    'digits.onnx'
    """
    if not isinstance(model, Model):
        raise TypeError(f"model: expected a Model, such as run.model, got {model!r}")
    check_choice("softmax", softmax, (True, False))
    check_name("name", name)
    if softmax and model.graph.nodes[-1].op is SOFTMAX:
        raise ValueError("softmax: the model ends in one already, expected False, got True")
    if model.graph.output.size == 1 and (softmax or model.graph.nodes[-1].op is SOFTMAX):
        ways = "end the model in bf.Sigmoid() for the probability of one class, or give it an output a class"
        raise ValueError(f"softmax: expected two outputs or more, as that of one is always 1, got one: {ways}")
    for node in model.graph.nodes:
        if node.op.onnx is None:
            raise ValueError(f"{node.label}: expected an operation that has nodes of ONNX, got one without")
    model.check_finite()
    try:
        from bpfree.exporters import onnx_graph
    except ImportError as error:
        raise ImportError('exporting to ONNX needs onnx: pip install "bpfree[onnx]"') from error
    check_path("path", path)
    data, place = onnx_graph.serialised(model, softmax, name), Path(path)
    if place.is_file() and not onnx_graph.is_export(place.read_bytes()):
        ways = "choose another name, or delete it"
        raise ValueError(f"path: expected a new file or an earlier export, got {place}: {ways}")
    write_atomically(path, data)
    return place
