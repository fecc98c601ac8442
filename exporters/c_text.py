# SPDX-License-Identifier: MIT
"""C source text: numbers and tables whose bits survive the trip."""

from __future__ import annotations

import re
import textwrap

import numpy as np


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
