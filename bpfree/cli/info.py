# SPDX-License-Identifier: MIT
"""`bpfree info FILE`: show the contents of a file that bpfree wrote."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bpfree.cli.commands import Command, option
from bpfree.cli.output import Grid, Screen, facts, json_option
from bpfree.cli.own_rows import load_model, rows_option

_SAME, _COLUMNS = ("theta", "sample"), ("arena", "state")
"""Parts of the RAM that are the same in every training, and those that have their own column in the table."""


@click.command(
    cls=Command,
    examples=(
        ("bpfree train digits --out digits.npz", "make a model to look at"),
        ("bpfree info digits.npz", "show its layers and the RAM it needs on a device"),
        ("bpfree info digits.npz --json -", "print the same for a program"),
        ("bpfree train digits --journal run.journal --max-steps 100", "make a journal"),
        ("bpfree info run.journal", "verify it to the last byte"),
    ),
    after="`bpfree evaluate FILE DATA` measures its accuracy; `bpfree export firmware FILE FOLDER` exports it.",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option("--up-to-damage", is_flag=True, group="What",
        help="Take what is before the damage in a journal for a journal: exit code 0 instead of 1.")
@rows_option
@json_option
def info(file: Path, up_to_damage, json_file) -> None:  # fmt: skip
    """Show the contents of FILE: a model, a checkpoint or a journal that bpfree wrote.

    For a model: its layers with shapes, parameters and multiply-accumulates
    (MACs), ranks and compression of tensor-train layers, and the bytes of RAM
    that inference and training need on a 32-bit device, with one sample at a
    time. For a journal: whether every byte is intact, and if not where the
    damage is (exit code 1), its steps and its settings. For a checkpoint: the
    settings of its run, and how far the run is.
    """
    from bpfree.cli import info_runs

    kinds = {
        "model": (_model, show),
        "journal": (info_runs.journal, info_runs.show_journal),
        "checkpoint": (info_runs.checkpoint, info_runs.show_checkpoint),
    }
    screen, kind = Screen(json_file), info_runs.kind_of(file)
    look, tell = kinds[kind]
    document = {"file": file, "kind": kind, **look(file)}
    tell(screen, document)
    screen.result("info", document)
    if document.get("damage") and not (up_to_damage and document["recoverable"]):
        sys.exit(1)


def _model(path: Path) -> dict:
    return describe(load_model(path))


def describe(model) -> dict:
    """Return the description of a model: layers, sizes, hashes, and bytes of RAM and flash."""
    import numpy as np

    from bpfree.cli.device_ram import inference_bytes, training_plans

    graph = model.graph
    bad = sum(int((~np.isfinite(values)).sum()) for values in (model.theta, model.frozen))
    layers = [layer_row(graph, node) for node in graph.nodes]
    try:
        ram = {"inference_ram_bytes": inference_bytes(model), "training_ram_bytes": training_plans(model)}
    except ValueError as error:  # an op has no kernel, or a size exceeds 32 bits
        ram = {"inference_ram_bytes": None, "training_ram_bytes": {}, "no_ram_plan": str(error)}
    return {
        "hash": model.hash,
        "frozen_hash": model.frozen_hash,
        "graph_hash": f"{graph.hash():016x}",
        "inputs": list(graph.input.shape),
        "outputs": list(graph.output.shape),
        "parameters": graph.n_theta,
        "frozen": graph.n_frozen,
        "macs": sum(row["macs"] for row in layers),
        "layers": layers,
        "flash_weights_bytes": 4 * (graph.n_theta + graph.n_frozen),
        **ram,
        **({"not_finite": bad} if bad else {}),
    }


def layer_row(graph, node) -> dict:
    """Return name, op, shapes, parameters and MACs of a node; for a TT layer also factors, ranks and dense sizes."""
    own, site = graph.slices_of(node), node.site
    row = {
        "name": node.name,
        "op": node.op.name,
        "from": [graph.tensors[tensor].name for tensor in node.inputs],
        "inputs": list(site.shapes[0]) if site.shapes else [],
        "outputs": list(graph.tensors[node.output].shape),
        "parameters": sum(part.size for part in own),
        "frozen": sum(part.size for part in own if part.frozen),
        "frozen_slices": [part.name for part in own if part.frozen],
        "macs": node.op.macs(site),
    }
    if node.op.layer and node.op.layer.train:
        tt = node.op.layer.train(site)
        row["tt"] = {
            "inputs": list(tt.inputs),
            "outputs": list(tt.outputs),
            "ranks": list(tt.ranks),
            "sweep_from": site.attributes["start"],
            "dense_parameters": (site.features + node.op.layer.added(site)) * site.outputs,
            "dense_macs": site.features * site.outputs,
        }
    return row


def show(screen: Screen, document: dict) -> None:
    """Print layers, totals, and RAM by purpose."""
    screen.say(f"{document['file']}: a model, {_times(document['inputs'])} inputs, theta {document['hash']}")
    layers = Grid("layer", "output", "parameters", "frozen", "MACs", right=(2, 3, 4))
    for row in document["layers"]:
        frozen = f"{row['frozen']:,}" if row["frozen"] else ""
        layers.row(row["name"], _times(row["outputs"]), f"{row['parameters']:,}", frozen, f"{row['macs']:,}")
    screen.show(layers)
    frozen = [name for row in document["layers"] for name in row["frozen_slices"]]
    if frozen:
        screen.say(f"  frozen: {', '.join(frozen)}")
    for row in document["layers"]:
        if "tt" in row:
            screen.say(f"  {row['name']}: {_tensor_train(row)}")
    screen.show(
        facts(
            [
                ("trainable parameters", f"{document['parameters']:,}"),
                ("of them NaN or infinite", f"{document['not_finite']:,}" if "not_finite" in document else None),
                ("frozen parameters", f"{document['frozen']:,}" if document["frozen"] else None),
                ("MACs of a forward pass", f"{document['macs']:,}"),
                ("flash for the weights", f"{document['flash_weights_bytes']:,} B"),
            ]
        )
    )
    if document["inference_ram_bytes"] is None:
        screen.say(f"no plan for a device: {document['no_ram_plan']}")
    else:
        _show_ram(screen, document)


def _show_ram(screen: Screen, document: dict) -> None:
    plans = {"inference": document["inference_ram_bytes"], **document["training_ram_bytes"]}
    same = " and ".join(f"{part} {max(parts.get(part, 0) for parts in plans.values()):,}" for part in _SAME)
    screen.say("RAM on a 32-bit device in bytes, one sample at a time, without stack")
    screen.say(f"total: with {same}; inference: weights in flash")
    table = Grid("", "total", *_COLUMNS, "other", right=range(1, 3 + len(_COLUMNS)))
    for name, parts in plans.items():
        known = [parts.get(column, 0) for column in _COLUMNS]
        other = parts["total"] - sum(known) - sum(parts.get(part, 0) for part in _SAME)
        numbers = [parts["total"], *known, other]
        table.row(name, *(f"{number:,}" if number else "" for number in numbers))
    screen.show(table)


def _tensor_train(row: dict) -> str:
    tt = row["tt"]
    parameters = _compared(tt["dense_parameters"] / row["parameters"], "parameters")
    macs = _compared(tt["dense_macs"] / row["macs"], "MACs")
    shape = f"{_list(tt['inputs'])} x {_list(tt['outputs'])}, ranks {_list(tt['ranks'])}"
    return f"{shape}: {parameters}, {macs} than dense"


def _compared(ratio: float, what: str) -> str:
    return f"{ratio:.1f}x fewer {what}" if ratio >= 1 else f"{1 / ratio:.1f}x more {what}"


def _times(sizes) -> str:
    return " x ".join(map(str, sizes))


def _list(sizes) -> str:
    return f"[{','.join(map(str, sizes))}]"
