# SPDX-License-Identifier: MIT
"""`bpfree bench NAME`: measure on this machine."""

from __future__ import annotations

import json

import click

from bpfree.bench import BENCHES
from bpfree.bench import run as run_bench


@click.command(epilog="\n\n".join(f"{name}: {what}." for name, what in BENCHES.items()))
@click.argument("name", type=click.Choice(list(BENCHES)), metavar="NAME")
@click.option("--quick", is_flag=True, help="Seconds instead of minutes; numbers are less steady.")
@click.option(
    "--json",
    "json_file",
    type=click.File("w"),
    metavar="FILE|-",
    help="Also write one JSON object a row; - is stdout, and the table then goes to stderr.",
)
def bench(name, quick, json_file):
    """Run the bench NAME and print a table.

    A bare case is ours, case/rival is somebody else's.
    """
    from rich.console import Console

    from bpfree.bench.report import show

    try:
        rows = run_bench(name, quick)
        show(rows, Console(stderr=json_file is not None and json_file.name in ("-", "<stdout>")))
    except ImportError as error:
        raise click.ClickException(f'{error}: the benches need pip install "bpfree[bench,emulate]"') from None
    if json_file is not None:
        json_file.writelines(json.dumps(row) + "\n" for row in rows)
