# SPDX-License-Identifier: MIT
"""`bpfree footprint FOLDER`: what takes the flash and RAM of a firmware."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

import click

from bpfree.cli.commands import Command, option, usage
from bpfree.cli.output import Grid, Screen, json_option

_MOST = 20
_SIZES = ("flash_bytes", "ram_bytes", "weights_bytes", "data_bytes")
_HEADINGS = ("flash", "RAM", "weights", "samples")


@click.command(
    cls=Command,
    examples=(
        ("bpfree train digits --out digits.npz", "make a model"),
        ("bpfree export firmware digits.npz firmware --data digits", "write firmware that trains it"),
        ("bpfree footprint firmware", "show which sources and functions take flash and RAM"),
        ("bpfree footprint firmware --target cortex-m0 --target rv32imc --optimize O2", "compare two processors"),
        ("bpfree footprint firmware --all-targets --json sizes.json", "write every function and variable to a file"),
    ),
    after="What your program does not name does not link; `runtime/bpfree/config.h` has options that leave out more.",
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@option("--target", "targets", multiple=True, metavar="NAME", group="What",
        help="A processor; may be given several times.  [that of FOLDER]")
@option("--all-targets", is_flag=True, group="What", help="Every processor whose compiler is installed.")
@option("--compiler", default="zig", show_default=True, group="Compiler", help="zig, gnu or clang.")
@option("--optimize", default="Os", show_default=True, group="Compiler", help="Os, Oz, O0, O1, O2 or O3.")
@option("--lto", is_flag=True, group="Compiler",
        help="Optimise the whole program at once. Inlined functions then count for the file of their caller.")
@option("--most", type=click.IntRange(1), default=_MOST, show_default=True, metavar="N", group="Output",
        help="Rows of a table: the largest come first. The JSON object has all.")
@json_option
def footprint(folder: Path, targets, all_targets, compiler, optimize, lto, most, json_file) -> None:  # fmt: skip
    """Compile FOLDER, and print flash and RAM by source file, by symbol and by section.

    FOLDER is one that `bpfree export firmware` wrote. Initial weights and
    samples are counted apart from code. The sums of each table are those of
    the linked program, an empty one of the same port included; what it takes
    by itself is printed, too.
    """
    from bpfree import emulate
    from bpfree.emulate.debug_info import FLAGS

    screen, documents = Screen(json_file), []
    with usage(target="targets"):
        names, left_out = _targets(folder, targets, all_targets, compiler)
        for name in names:
            with tempfile.TemporaryDirectory(prefix="bpfree-") as scratch:
                built = emulate.compile_firmware(
                    folder, target=name, optimize=optimize, compiler=compiler, lto=lto, extra_flags=FLAGS,
                    output=Path(scratch) / "firmware.elf",
                )  # fmt: skip
                documents.append(_document(built))
    if len(documents) == 1:
        _show_parts(screen, documents[0], most)
    screen.show(_totals(documents))
    screen.say(f"{', '.join(sorted({row['compiler'] for row in documents}))}, -{optimize}")
    for name, way in left_out.items():
        screen.say(f"{name} is left out, as its compiler is missing: {way}")
    if lto:
        screen.say("link-time optimisation: what was inlined across files counts for the file of its caller")
    screen.result("footprint", {"folder": folder, "targets": documents, "left_out": left_out})


def _targets(folder: Path, given, every: bool, compiler: str) -> tuple[list[str], dict[str, str]]:
    """Return the names that were asked for; of all, those whose compiler is missing apart, with what to install."""
    from bpfree import emulate
    from bpfree.emulate.exported import target_of
    from bpfree.errors import check_choice

    if given and every:
        raise click.UsageError("--target, --all-targets: expected one of them, got both")
    bare = {row.name: row for row in emulate.TARGETS.values() if row.bare}
    check_choice("compiler", compiler, emulate.COMPILERS)
    for name in given:
        check_choice("target", name, bare)
    own = target_of(folder)
    if not given and not every and own not in bare:
        raise click.UsageError(f"--target: expected one of {', '.join(bare)}, as {folder} tells none, got none")
    if not every:
        return list(dict.fromkeys(given or [own])), {}
    ways = {name: emulate.COMPILERS[compiler].missing(row) for name, row in bare.items()}
    return [name for name, way in ways.items() if not way], {name: way for name, way in ways.items() if way}


def _document(built) -> dict:
    """Return the sizes of a firmware: total, of an empty program, by source file, by symbol and by section."""
    from bpfree import emulate

    rows = [
        {"symbol": part.symbol, "source": part.source, "section": part.section,
         **{name: getattr(part, name) for name in _SIZES}, "stack_bytes": part.stack_bytes}
        for part in emulate.parts(built)
    ]  # fmt: skip
    return {
        "target": built.target.name,
        "compiler": built.compiler,
        "flags": list(built.flags),
        **_sum(rows),
        "beyond_an_empty_program": asdict(emulate.footprint(built)),
        "sources": _grouped(rows, "source"),
        "sections": _grouped(rows, "section"),
        "symbols": _largest_first(rows, "symbol"),
    }


def _sum(rows) -> dict[str, int]:
    return {name: sum(row[name] for row in rows) for name in _SIZES}


def _grouped(rows, key: str) -> list[dict]:
    """Return the sums of the rows that have the same source file or section, the largest first."""
    groups = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return _largest_first([{key: name, **_sum(group)} for name, group in groups.items()], key)


def _largest_first(rows, key: str) -> list[dict]:
    return sorted(rows, key=lambda row: (-sum(row[name] for name in _SIZES), row[key]))


def _show_parts(screen: Screen, document: dict, most: int) -> None:
    """Print the tables of one target, and the largest stack frames."""
    for key in ("source", "symbol", "section"):
        rows = document[f"{key}s"]
        grid = Grid(key, *_HEADINGS, title=f"bytes by {key}", right=range(1, 5))
        for row in rows[:most]:
            grid.row(row[key], *_cells(row))
        if len(rows) > most:
            grid.row(f"{len(rows) - most} more", *_cells(_sum(rows[most:])))
        screen.show(grid)
    stacks = sorted(((row["stack_bytes"] or 0, row["symbol"]) for row in document["symbols"]), reverse=True)
    screen.say("largest stack frames in bytes: " + ", ".join(f"{name} {size}" for size, name in stacks[:4]) + "\n")


def _cells(row: dict) -> list[str]:
    return [f"{row[name]:,}" if row[name] else "" for name in _SIZES]


def _totals(documents) -> Grid:
    """Return the table of all targets: in all, and beyond an empty program."""
    grid = Grid("bytes", *_HEADINGS, "flash*", "RAM*", right=range(1, 7))
    for document in documents:
        beyond = document["beyond_an_empty_program"]
        grid.row(document["target"], *_cells(document), f"{beyond['flash_bytes']:,}", f"{beyond['ram_bytes']:,}")
    grid.table.caption = "* beyond an empty program of the same port and flags"
    grid.table.caption_justify = "left"
    return grid
