# SPDX-License-Identifier: MIT
"""`bpfree bench NAME`: run a benchmark on this machine."""

from __future__ import annotations

import json

import click

from bpfree.bench import BENCHES, DRAWN
from bpfree.bench import run as run_bench
from bpfree.cli.commands import Command, option
from bpfree.cli.output import NewFile, NewPicture, replace_file


@click.command(
    cls=Command,
    sections={"Benches": list(BENCHES.items())},
    examples=(
        ("bpfree bench engine --quick", "measure forward passes per second, beside NumPy"),
        ("bpfree bench engine --quick --json rows.json", "also write one JSON object per row"),
        ("bpfree bench estimators --plot estimators.png", "draw accuracy against forwards for every method"),
    ),
    after="`make bench NAME=... ARGS=--quick` does the same in a checkout.",
)
@click.argument("name", type=click.Choice(list(BENCHES)), metavar="NAME")
@option("--quick", is_flag=True, group="Run", help="Take seconds instead of minutes; the numbers are noisier.")
@option("--json", "json_file", group="Output", type=NewFile(allow_dash=True), metavar="FILE|-",
        help="Also write one JSON object per row to FILE, or to stdout with -; the table then goes to stderr.")
@option("--csv", type=NewFile(), group="Output", metavar="FILE",
        help="File for the curves of `estimators` and `pde`, as CSV.")
@option("--plot", type=NewPicture(), group="Output", metavar="FILE",
        help="File for a picture of the curves of `estimators` and `pde`.")
def bench(name, quick, json_file, csv, plot):  # fmt: skip
    """Run the benchmark NAME, and print a table.

    A row `case` is our best result, a row `case/method` another method or a rival.
    """
    from rich.console import Console

    from bpfree.bench.report import show

    files = {flag: path for flag, path in (("csv", csv), ("plot", plot)) if path is not None}
    if files and name not in DRAWN:
        expected = f"bench {' or '.join(DRAWN)}, which draws curves"
        raise click.UsageError(f"--{', --'.join(files)}: expected {expected}, got {name}")
    to_stdout = str(json_file) == "-"
    try:
        rows = run_bench(name, quick, **files)
        show(rows, Console(stderr=to_stdout))
    except ImportError as error:
        raise click.ClickException(f'{error}: the benchmarks need pip install "bpfree[bench,emulate]"') from None
    lines = "\n".join(map(json.dumps, rows))
    if to_stdout:
        click.echo(lines)
    elif json_file is not None:
        replace_file(json_file, lambda path: path.write_text(lines + "\n", "utf-8"))
