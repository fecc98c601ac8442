# SPDX-License-Identifier: MIT
"""What `make generate` writes into files that are written by hand: between two lines that say so."""

from __future__ import annotations

import inspect
import textwrap
from importlib import import_module
from pathlib import Path

from bpfree.estimators import ESTIMATORS
from bpfree.exporters.runtime import listed_sources
from bpfree.ops import OPS
from bpfree.pde.rules import RULES
from bpfree.updates import UPDATES

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: generating makes sense nowhere else."""


def sectioned_files() -> dict[str, str]:
    """Text of every file that has such sections, by path below the checkout."""
    return {
        "bpfree/__init__.py": filled(
            "bpfree/__init__.py",
            {"layers": layer_homes(), "estimators": setting_homes(ESTIMATORS), "updates": setting_homes(UPDATES)},
        ),
        "bpfree/cli/solve.py": filled("bpfree/cli/solve.py", {"rules": [f'    "{row.name}",' for row in RULES]}),
        "runtime_c/FORMAT.md": filled(
            "runtime_c/FORMAT.md",
            {"ops": op_table(), "draws": op_draws(), "arithmetic": op_arithmetic(), "slopes": op_slopes()},
        ),
        "runtime_c/README.md": filled("runtime_c/README.md", {"sources": source_table()}),
    }


def filled(name: str, sections: dict[str, list[str]]) -> str:
    """The file's text with these lines between `NAME: written by make generate` and `NAME: end`."""
    lines = (ROOT / name).read_text().splitlines()
    for section, own in sections.items():
        places = []
        for mark in (f"{section}: written by make generate", f"{section}: end"):
            found = [k for k, line in enumerate(lines) if mark in line]
            if len(found) != 1:
                raise ValueError(f"{name}: expected one line with {mark!r}, got {len(found)}")
            places += found
        lines[places[0] + 1 : places[1]] = own
    return "\n".join(lines) + "\n"


def layer_homes() -> list[str]:
    """Return the lines of `_HOMES`: each layer a user writes, and the file of its op."""
    return [
        f'    "{name}": "{module.__name__}",'
        for module in (import_module(f"bpfree.ops.{op.name}") for op in OPS)
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and kind.__module__ == module.__name__ and hasattr(kind, "node")
    ]


def setting_homes(table) -> list[str]:
    """Lines of `_HOMES`: the class of each row's settings, and its file."""
    kinds = dict.fromkeys(row.settings for row in table)
    return [f'    "{kind.__name__}": "{kind.__module__}",' for kind in kinds]


def op_table() -> list[str]:
    """Return the table of what is stored of each op."""
    head = ["| op | inputs | attributes | parameters, in slice order |", "|---|---|---|---|"]
    return head + [
        f"| `{op.name}` | {op.arity or 'none'} | {_names(op.attributes)} | {_parameters(op)} |" for op in OPS
    ]


def op_draws() -> list[str]:
    """Return the lines that say how each op's parameters are drawn."""
    return [line for op in OPS if has_parameters(op) for line in _entry(op, op.parameters.initialise)]


def op_arithmetic() -> list[str]:
    """Return the lines that give the order of each op's operations."""
    return [line for op in OPS for line in _entry(op, op.forward)]


def op_slopes() -> list[str]:
    """Return the lines that say what a derivative by an elementwise op's output is multiplied by."""
    return [line for op in OPS if op.elementwise for line in _entry(op, op.elementwise.derivative)]


def source_table() -> list[str]:
    """Return the table of sources that a program compiles, by what it does."""
    what = {
        "core": "every program",
        "rows": "of these those that its tables name; or all",
        "journal": "a log of its run",
        "pde": "derivatives and PDEs",
        "host": "nothing on a device: for computers",
    }
    parts = listed_sources()
    if set(parts) != set(what):
        raise ValueError(f"sources.txt: expected parts {', '.join(what)}, got {', '.join(parts)}")
    head = ["| files in `src/` | for |", "|---|---|"]
    return head + [f"| {' '.join(f'`{name}`' for name in parts[part])} | {text} |" for part, text in what.items()]


def has_parameters(op) -> bool:
    """Say whether the op has parameters, wherever it stands."""
    return any(op.parameters.rows(op.site(*example)) for example in op.examples)


def _parameters(op) -> str:
    return said_of(op, op.parameters.rows).removesuffix(".") if has_parameters(op) else "none"


def _names(attributes) -> str:
    return ", ".join(f"`{name}`" for name in attributes) or "none"


def _entry(op, function) -> list[str]:
    """An item of a list: what the function's docstring says."""
    text = f"- `{op.name}`: {said_of(op, function)}"
    return textwrap.wrap(text, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def said_of(op, function) -> str:
    """The docstring in one line. Raises ValueError without one: it is part of the format."""
    text = inspect.getdoc(function)
    if not text:
        raise ValueError(f"{op.name}: expected a docstring of {function!r}, which FORMAT.md prints, got none")
    return " ".join(text.split())
