# SPDX-License-Identifier: MIT
"""Where a command writes: text for people, or one JSON object for programs."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import click

from bpfree import __version__
from bpfree.cli.commands import option, printable


class NewFile(click.Path):
    """A file to be written; its folder must be there before minutes are spent on what goes into it."""

    def __init__(self, **settings):
        super().__init__(dir_okay=False, writable=True, path_type=Path, **settings)

    def convert(self, value, param, ctx):
        """The path, checked."""
        path = super().convert(value, param, ctx)
        if str(path) == "-":
            return path
        if not path.parent.is_dir():
            self.fail(f"the folder {path.parent} does not exist: make it first", param, ctx)
        if not os.access(path.parent, os.W_OK):
            self.fail(f"nothing can be written to the folder {path.parent}", param, ctx)
        return path


class NewPicture(NewFile):
    """A picture to be written, of a kind that matplotlib knows; asked before minutes are spent on what it shows."""

    def convert(self, value, param, ctx):
        """The path, checked."""
        path = super().convert(value, param, ctx)
        try:
            from matplotlib.backend_bases import FigureCanvasBase
        except ImportError:
            self.fail('pictures need matplotlib: pip install "bpfree[plot]"', param, ctx)
        kinds = FigureCanvasBase.get_supported_filetypes()
        if path.suffix.removeprefix(".").lower() not in kinds:
            self.fail(f"expected a name that ends in .png, .pdf, .svg or the like, got {path.name}", param, ctx)
        return path


json_option = option(
    "--json",
    "json_file",
    group="Output",
    type=NewFile(allow_dash=True),
    metavar="FILE|-",
    help="Write the result as one JSON object; - is stdout, and the text for people then goes to stderr.",
)


class Screen:
    """Text on stdout, unless JSON goes there."""

    def __init__(self, json_file):
        self.json_file = json_file
        self.stderr = json_file is not None and str(json_file) == "-"

    def say(self, text: str = "") -> None:
        """A line for people."""
        click.echo(printable(text), err=self.stderr)

    def show(self, grid) -> None:
        """A Grid."""
        from rich.console import Console

        Console(stderr=self.stderr, highlight=False).print(grid.table)

    def result(self, command: str, document: dict) -> None:
        """Write the JSON object, if it was asked for: `command`, `bpfree` (version), then the document."""
        if self.json_file is None:
            return
        text = json.dumps(_plain({"command": command, "bpfree": __version__, **document}), indent=2, allow_nan=False)
        if self.stderr:
            click.echo(text)
        else:
            replace_file(self.json_file, lambda path: path.write_text(text + "\n", "utf-8"))


def replace_file(path: Path, write) -> bool:
    """write(temporary path), then put it in place of `path` at once: never half a file. Was there one before?"""
    path = Path(path).resolve()  # what a link leads to, not the link
    if path.exists() and not path.is_file():  # a device such as /dev/null
        write(path)
        return True
    temporary = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    try:
        write(temporary)
        existed = path.exists()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return existed


class Grid:
    """A table: columns by title, those whose index is in `right` are numbers. Rows are texts, never markup."""

    def __init__(self, *columns: str, title: str | None = None, right=()):
        from rich.table import Table

        self.table = Table(title=title, title_justify="left", show_header=bool(columns))
        for k, column in enumerate(columns):
            self.table.add_column(column, justify="right" if k in right else "left", overflow="fold", no_wrap=k == 0)

    def row(self, *cells) -> None:
        """Add one."""
        from rich.text import Text

        self.table.add_row(*(Text(printable(str(cell))) for cell in cells))


def facts(rows) -> Grid:
    """A table of (name, value) rows; a value of None leaves the row out."""
    grid = Grid()
    for name, value in rows:
        if value is not None:
            grid.row(name, value)
    return grid


def _plain(value):
    """Only what JSON has: NumPy scalars to numbers, what is not finite to null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
