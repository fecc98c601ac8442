# SPDX-License-Identifier: MIT
"""`bpfree export onnx MODEL FILE`: write a model as ONNX."""

from __future__ import annotations

from pathlib import Path

import click

from bpfree.cli.commands import Command, Failure, option, usage
from bpfree.cli.info_runs import check_not_diverged
from bpfree.cli.output import NewFile, Screen, facts, json_option
from bpfree.cli.own_rows import load_model, rows_option


@click.command(
    "onnx",
    cls=Command,
    examples=(
        ("bpfree train digits --out digits.npz", "make a model to export"),
        ("bpfree export onnx digits.npz digits.onnx --softmax", "export it, with probabilities as outputs"),
    ),
    after="`bpfree export firmware MODEL FOLDER` exports a model for training on a device.",
)
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("file", type=NewFile())
@option("--softmax", is_flag=True, group="What", help="Return probabilities instead of the scores that were trained.")
@option("--name", default="bpfree", show_default=True, metavar="NAME", group="What", help="Name of the graph.")
@rows_option
@json_option
def export_onnx(model: Path, file: Path, softmax, name, json_file) -> None:
    """Write MODEL, a saved one, to FILE as ONNX (opset 13).

    Inputs are (n, features...), outputs (n, ...), float32. Tensor-train layers
    keep their small size. Results agree to float32 rounding. An existing FILE
    is replaced if it is an earlier export, and refused otherwise.
    """
    check_not_diverged(model)
    network = load_model(model)
    try:
        from bpfree.exporters import onnx
    except ImportError as error:
        raise Failure(f'the export needs onnx: pip install "bpfree[onnx]" ({error})') from error
    screen = Screen(json_file)
    with usage(path="file"):
        onnx.export(network, file, softmax=softmax, name=name)
    document = {"model": model, "hash": network.hash, "file": file, "bytes": file.stat().st_size, "softmax": softmax}
    screen.show(facts([("file", file), ("bytes", f"{document['bytes']:,}"), ("theta", network.hash)]))
    screen.result("export onnx", document)
