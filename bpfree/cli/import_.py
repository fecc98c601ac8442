# SPDX-License-Identifier: MIT
"""`bpfree import FILE MODEL`: what a board sends back becomes a model again."""

from __future__ import annotations

from pathlib import Path

import click

from bpfree.cli.commands import Command, option, usage
from bpfree.cli.output import NewFile, Screen, facts, json_option, replace_file
from bpfree.cli.own_rows import check_model_place, load_model, rows_option
from bpfree.cli.places import check_places


@click.command(
    "import",
    cls=Command,
    examples=(
        ("bpfree train digits --out digits.npz", "make a model, which a board may go on to train"),
        ("bpfree import theta.bin digits.npz --out adapted.npz", "read its parameters, dumped by a debugger"),
        ("bpfree evaluate adapted.npz digits", "see how good it has become"),
    ),
    after="`bpfree export firmware` sends the model to a board again, `bpfree export onnx` elsewhere.",
)  # fmt: skip
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option(
    "--hash",
    "hash_",
    metavar="DIGITS",
    group="What",
    help="The hash of the parameters, as the program told it: 16 hexadecimal digits, which the file must have.",
)
@option("--out", type=NewFile(), metavar="FILE", group="Output", help="File for the model; default: FILE.npz.")
@rows_option
@json_option
def import_(file: Path, model: Path, hash_, out, json_file) -> None:  # fmt: skip
    """Make a model of the parameters in FILE that a board sent back.

    MODEL is the model that was exported: it has the layers, and what is frozen.
    FILE holds the trained parameters as little-endian float32, or is a log of the
    console with a word in hexadecimal a line, such as the program sends when it is
    built by `make DEFINES=-DSEND_THETA=1`; the hash in such a log is compared.
    """
    from bpfree.exporters import firmware

    out = out or Path(f"{file}.npz")
    check_model_place(out)
    check_places(click.get_current_context(), written=[("--out", out)], read=[("FILE", file)])
    screen, exported = Screen(json_file), load_model(model)
    with usage(hash="hash_"):
        result = firmware.read_back(file, exported, hash_)
    replaced = replace_file(out, result.save)
    moved = int((result.theta != exported.theta).sum())
    rows = [
        ("parameters", f"{result.graph.n_theta:,}, {moved:,} of them others than in {model}"),
        ("theta", f"{result.hash}{', as expected' if hash_ else ''}"),
        ("model", f"{out}{' (replaced)' if replaced else ''}"),
    ]
    screen.show(facts(rows))
    document = {"file": file, "model": model, "hash": result.hash, "changed": moved, "files": {"model": out}}
    screen.result("import", document)
