# SPDX-License-Identifier: MIT
"""The files of a command line: none is written that another option writes, or that an argument reads."""

from __future__ import annotations

import os
from pathlib import Path

import click


def check_places(context, written=(), read=()) -> None:
    """Raise where a command would write two files to one place, or to that of a file it reads.

    written, read: (name, path) pairs besides those of the command's options and arguments.
    """
    taken = {}
    for name, path in [*_given(context, _is_written), *written]:
        place = _place(path)
        if place is not None and taken.setdefault(place, name) != name:
            raise _clash(name, taken[place], path, context)
    folders = {_place(path): name for name, path in _given(context, _is_folder)}
    for place, name in taken.items():
        for folder in folders.keys() & set(map(str, Path(place).parents)):
            expected = f"a file outside of {folders[folder]}, whose files the export replaces"
            raise click.UsageError(f"{name}: expected {expected}, got {place}", context)
    for name, path in [*_given(context, _is_read), *read]:
        writer = taken.get(_place(path), name)
        if {name, writer} not in ({name}, {"--model", "--out"}):  # a model may be replaced by what it becomes
            raise _clash(writer, name, path, context)


def _clash(name, other, path, context) -> click.UsageError:
    return click.UsageError(f"{name}: expected another file than that of {other}, got {path}", context)


def _given(context, chosen):
    """Yield (name, path) of the parameters of a kind that the command line gives."""
    for parameter in context.command.params:
        value = context.params.get(parameter.name)
        if value is not None and chosen(parameter):
            name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
            yield from ((name, path) for path in (value if isinstance(value, tuple) else (value,)))


def _is_written(parameter) -> bool:
    return getattr(parameter.type, "written", False)


def _is_folder(parameter) -> bool:
    return isinstance(parameter.type, click.Path) and not parameter.type.file_okay


def _is_read(parameter) -> bool:
    """The path of a file that must be there, or a text that may be one."""
    return getattr(parameter.type, "exists", False) or parameter.name in ("data", "model")


def _place(path) -> str | None:
    """Where a path leads to, as the system compares it; None for a stream or a device, which many may write to."""
    if str(path) == "-" or (os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)):
        return None
    return os.path.normcase(os.path.realpath(path))
