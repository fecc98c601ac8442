# SPDX-License-Identifier: MIT
"""`bpfree bench NAME`: measure on this machine."""

from __future__ import annotations

import json

import click

from bpfree.bench import BENCHES, DRAWN
from bpfree.bench import run as run_bench
from bpfree.cli.commands import Command, option
from bpfree.cli.output import NewFile, NewPicture


@click.command(
    cls=Command,
    sections={"Benches": list(BENCHES.items())},
    examples=(
        ("bpfree bench engine --quick", "forward passes a second, beside NumPy"),
        ("bpfree bench engine --quick --json rows.json", "also as one JSON object a row"),
        ("bpfree bench estimators --plot estimators.png", "accuracy against forwards of every method"),
    ),
    after="`make bench NAME=... ARGS=--quick` does the same in a checkout.",
)
@click.argument("name", type=click.Choice(list(BENCHES)), metavar="NAME")
@option("--quick", is_flag=True, group="Run", help="Seconds instead of minutes; numbers are less steady.")
@option(
    "--json",
    "json_file",
    group="Output",
    type=click.File("w"),
    metavar="FILE|-",
    help="Also write one JSON object a row; - is stdout, and the table then goes to stderr.",
)
@option("--csv", type=NewFile(), group="Output", metavar="FILE", help="The curves, for `estimators` and `pde`.")
@option("--plot", type=NewPicture(), group="Output", metavar="FILE", help="A picture of them, for the same.")
def bench(name, quick, json_file, csv, plot):
    """Run the bench NAME and print a table.

    A bare case is ours, case/rival is somebody else's.
    """
    from rich.console import Console

    from bpfree.bench.report import show

    files = {flag: path for flag, path in (("csv", csv), ("plot", plot)) if path is not None}
    if files and name not in DRAWN:
        expected = f"bench {' or '.join(DRAWN)}, which draws curves"
        raise click.UsageError(f"--{', --'.join(files)}: expected {expected}, got {name}")
    try:
        rows = run_bench(name, quick, **files)
        show(rows, Console(stderr=json_file is not None and json_file.name in ("-", "<stdout>")))
    except ImportError as error:
        raise click.ClickException(f'{error}: the benches need pip install "bpfree[bench,emulate]"') from None
    if json_file is not None:
        json_file.writelines(json.dumps(row) + "\n" for row in rows)
