# SPDX-License-Identifier: MIT
"""C source text: numbers and tables whose bits survive the trip."""

from __future__ import annotations

import re
import textwrap

import numpy as np

from bpfree.native.structs import Array, Struct, Symbol


def float_literal(value) -> str:
    """A float32 as C99 hexadecimal: exact, and the compiler rounds nothing.

    >>> float_literal(0.1)
    '0x1.99999ap-4f'
    """
    number = float(np.float32(value))
    if not np.isfinite(number):
        raise ValueError(f"value: expected a finite float32, got {value!r}")
    mantissa, exponent = number.hex().split("p")
    whole, _, fraction = mantissa.partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}p{exponent}f"


def braces(items) -> str:
    """`{a, b, c}`."""
    return "{" + ", ".join(map(str, items)) + "}"


def designated(fields: dict) -> str:
    """`{.a = 1, .b = c}`."""
    return braces(f".{name} = {value}" for name, value in fields.items())


def struct(value: Struct, name: str, kernel_suffix: str = "") -> str:
    """`static const <type> <name> = {...};`, behind the arrays that it points to.

    kernel_suffix: of one instruction set, where symbols of the host's build are meant.

    >>> print(struct(Struct("bpfree_rge", {"grouping": 2}), "own"), end="")
    static const bpfree_rge own = {.grouping = 2};
    """
    before, fields = _printed(value.fields, name, kernel_suffix)
    return f"{before}static const {value.type} {name} = {fields};\n"


def _printed(fields: dict, name: str, suffix: str) -> tuple[str, str]:
    """Arrays that the fields point to, and the fields."""
    before, texts = "", {}
    for field, value in fields.items():
        if isinstance(value, Array) and value.rows:
            texts[field] = f"{name}_{field}"
            inner = [_printed(row, f"{texts[field]}{k}", suffix) for k, row in enumerate(value.rows)]
            before += "".join(own for own, _ in inner)
            before += rows(f"static const {value.type} {texts[field]}", (row for _, row in inner), value.names)
        elif isinstance(value, Symbol):
            texts[field] = f"&{value.c}{suffix}"
        elif not isinstance(value, Array):
            texts[field] = float_literal(value) if isinstance(value, float) else value
    return before, designated(texts)


def array(declaration: str, items, attribute: str = "", size: str | None = None) -> str:
    """`declaration[n] attribute = {...};`, lines filled; never empty, as C99 has no arrays of no elements."""
    texts = [str(item) for item in items] or ["0"]
    body = textwrap.fill(", ".join(texts), 112, initial_indent="  ", subsequent_indent="  ")
    return f"{declaration}[{size or len(texts)}]{attribute and ' ' + attribute} = {{\n{body}\n}};\n"


def rows(declaration: str, items, comments=None) -> str:
    """The same with one row a line, and a comment behind each."""
    items = list(items)
    # names may come from a file: nothing of them may end the comment or begin another
    safe = [re.sub(r"[^\w.,:+ -]", "_", comment, flags=re.ASCII) for comment in comments or ()]
    notes = [f" /* {comment} */" for comment in safe] or [""] * len(items)
    body = "".join(f"  {item},{note}\n" for item, note in zip(items, notes, strict=True))
    return f"{declaration}[{len(items)}] = {{\n{body}}};\n"


def macros(triples) -> str:
    """`#define NAME value` lines, with the comment behind."""
    return "".join(f"#define {name} {value} /* {comment} */\n" for name, value, comment in triples)


def section(macro: str, name: str) -> str:
    """`#define MACRO` as the attribute that puts an array into a section, where a file format has such names.

    Its name begins with .rodata, so that a linker script that knows nothing of it takes it for constants like others.
    Mach-O has other names: on a Mac nobody counts flash, so that the array lies among the constants there.
    """
    return f'#ifdef __MACH__\n#define {macro}\n#else\n#define {macro} __attribute__((section("{name}")))\n#endif\n'
