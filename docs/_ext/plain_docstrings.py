# SPDX-License-Identifier: MIT
"""Turns docstrings, which are plain English with formulas and no markup, into rST by a few rules.

A paragraph is printed as it stands if it is indented, is an example (`>>> `), or contains two spaces in a row;
any other paragraph is prose. In prose, `name: what it is` at the beginning of a sentence begins an entry of a list if
name is a parameter, or several are: `train, test: ...`. `Args:`, `Returns:`, `Raises:` and lists with dashes mean what
they look like. Characters with a meaning in rST are escaped.
"""

from __future__ import annotations

import inspect
import re
from itertools import groupby

_CODE = re.compile(r"(:[a-z:]+:`[^`]+`)|``([^`]+)``|`([^`]+)`")
_SPECIAL = re.compile(r"([\\*_|`])")
_BULLET = re.compile(r"(-|\d+\.) ")
_SECTIONS = ("Args:", "Returns:", "Raises:")


def to_rst(text: str, parameters=()) -> list[str]:
    """Return the lines of rST for the docstring of an object with these parameters."""
    lines = inspect.cleandoc(text).splitlines()
    paragraphs = [list(group) for filled, group in groupby(lines, key=lambda line: bool(line.strip())) if filled]
    out = []
    for paragraph in paragraphs:
        out += [*_paragraph(paragraph, parameters), ""]
    return out


def escape(text: str) -> str:
    """Return prose as rST: `code` becomes literal, roles stay, and everything else is escaped."""
    out, end = [], 0
    for found in _CODE.finditer(text):
        role, double, single = found.groups()
        out += [_SPECIAL.sub(r"\\\1", text[end : found.start()]), role or f"``{double or single}``"]
        end = found.end()
    return "".join([*out, _SPECIAL.sub(r"\\\1", text[end:])])


def _paragraph(lines, parameters) -> list[str]:
    first, indents = lines[0], [len(line) - len(line.lstrip()) for line in lines]
    if first.startswith(">>> "):
        return _literal("pycon", lines)
    if first in _SECTIONS and len(lines) > 1:
        body = inspect.cleandoc("\n".join(["", *lines[1:]])).splitlines()
        return _entries(body) if first != "Returns:" else [f"**Returns** {escape(_join(body))}"]
    if min(indents) > 0 or any(re.search(r"\S  +\S", line) for line in lines):
        return _literal("text", inspect.cleandoc("\n".join(["", *lines])).splitlines())
    if _BULLET.match(first):
        return [line if not line.strip() else re.sub(r"\S.*", lambda found: escape(found[0]), line) for line in lines]
    return _prose(_join(lines), parameters)


def _join(lines) -> str:
    return " ".join(line.strip() for line in lines)


def _literal(language, lines) -> list[str]:
    return [f".. code-block:: {language}", "   :class: docstring", "", *(f"   {line}" for line in lines)]


def _prose(text: str, parameters) -> list[str]:
    """Return a paragraph as rST, split where a sentence begins with names of parameters and a colon."""
    if not parameters:
        return [escape(text)]
    name = "|".join(map(re.escape, sorted(parameters, key=len, reverse=True)))
    starts = list(re.finditer(rf"(?:^|(?<=[.;:)] ))((?:{name})(?:(?:, | and )(?:{name}))*): ", text))
    if not starts:
        return [escape(text)]
    before = text[: starts[0].start()].strip()
    stops = [found.start() for found in starts[1:]] + [len(text)]
    entries = [(found[1], text[found.end() : stop].strip()) for found, stop in zip(starts, stops)]
    return [*([escape(before), ""] if before else []), *definitions(entries)]


def _entries(lines) -> list[str]:
    """Return `name: text` lines, which may continue in indented lines, as a list of definitions."""
    entries = []
    for line in lines:
        if line.startswith(" ") and entries:
            entries[-1][1] += " " + line.strip()
        else:
            name, _, text = line.partition(": ")
            entries.append([name, text.strip()])
    return definitions(entries)


def definitions(entries) -> list[str]:
    """Return (names, text) pairs as a list of definitions."""
    out = [".. container:: entries", ""]
    for names, text in entries:
        out += ["   " + ", ".join(f"``{name}``" for name in re.split(r", | and ", names)), f"      {escape(text)}", ""]
    return out


def _parameters(obj) -> list[str]:
    try:
        names = list(inspect.signature(obj).parameters)
    except (TypeError, ValueError):
        names = []
    return names + list(getattr(obj, "__annotations__", {}) if inspect.isclass(obj) else [])


def _process(app, what, name, obj, options, lines) -> None:
    lines[:] = to_rst("\n".join(lines), _parameters(obj))


def setup(app):
    """Pass every docstring that autodoc reads through this extension."""
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True}
