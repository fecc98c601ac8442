# SPDX-License-Identifier: MIT
"""The output of a command: text for people, and one JSON object for programs."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import click

from bpfree import __version__
from bpfree.cli.commands import option, printable
from bpfree.files import read_by_somebody, replacing


class NewFile(click.Path):
    """A file to be written, whose folder is checked before minutes are spent on computing the contents."""

    written = True
    """So that no two are the same file, and none is one that the command reads."""

    def __init__(self, **settings):
        super().__init__(dir_okay=False, writable=True, path_type=Path, **settings)

    def convert(self, value, param, ctx):
        """Return the path; fail unless its folder exists and is writable."""
        path = super().convert(value, param, ctx)
        if str(path) == "-":
            return path
        if not path.parent.is_dir():
            self.fail(f"the folder {path.parent} does not exist: create it first", param, ctx)
        if not os.access(path.parent, os.W_OK):
            self.fail(f"the folder {path.parent} is not writable", param, ctx)
        try:
            ctx.with_resource(read_by_somebody(path))  # until the command ends
        except OSError as error:
            self.fail(f"{path}: {error.strerror}", param, ctx)
        return path


class NewPicture(NewFile):
    """A picture to be written, whose format is checked before minutes are spent on computing what it shows."""

    def convert(self, value, param, ctx):
        """Return the path; fail unless matplotlib is installed and can write this format."""
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
    help="Write the result as one JSON object to FILE, or to stdout with -; the text for people then goes to stderr.",
)


class Screen:
    """Writes text to stdout, or to stderr where stdout takes the JSON object."""

    def __init__(self, json_file):
        self.json_file = json_file
        self.stderr = json_file is not None and str(json_file) == "-"

    def say(self, text: str = "") -> None:
        """Print text for people."""
        click.echo(printable(text), err=self.stderr)

    def show(self, grid) -> None:
        """Print a Grid."""
        from rich.console import Console

        Console(stderr=self.stderr, highlight=False).print(grid.table)

    def result(self, command: str, document: dict) -> None:
        """Write the JSON object where --json asks for it: `command`, `bpfree` (the version), then the document."""
        if self.json_file is None:
            return
        text = json.dumps(_plain({"command": command, "bpfree": __version__, **document}), indent=2, allow_nan=False)
        if self.stderr:
            click.echo(text)
        else:
            replace_file(self.json_file, lambda path: path.write_text(text + "\n", "utf-8"))


def replace_file(path: Path, write) -> bool:
    """Call write(path of a draft), which then takes the place of `path`; return whether `path` existed before."""
    existed = path.exists()
    with replacing(path) as draft:
        write(draft)
    return existed


class Grid:
    """A table with titled columns, aligned right if their index is in `right`; cells are plain text, never markup."""

    def __init__(self, *columns: str, title: str | None = None, right=()):
        from rich.table import Table

        self.table = Table(title=title, title_justify="left", show_header=bool(columns))
        for k, column in enumerate(columns):
            self.table.add_column(column, justify="right" if k in right else "left", overflow="fold", no_wrap=k == 0)

    def row(self, *cells) -> None:
        """Add a row of cells."""
        from rich.text import Text

        self.table.add_row(*(Text(printable(str(cell))) for cell in cells))


def facts(rows) -> Grid:
    """Return a table of (name, value) rows, without the rows whose value is None."""
    grid = Grid()
    for name, value in rows:
        if value is not None:
            grid.row(name, value)
    return grid


def _plain(value):
    """Return a value of JSON types only: NumPy values become numbers and lists, floats that are not finite null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
