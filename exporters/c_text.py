# SPDX-License-Identifier: MIT
"""C source text: numbers and tables whose bits survive the trip."""

from __future__ import annotations

import numpy as np


def float_literal(value) -> str:
    """A float32 as C99 hexadecimal: exact, and the compiler rounds nothing.

    >>> float_literal(0.1)
    '0x1.99999a0000000p-4f'
    """
    number = float(np.float32(value))
    if not np.isfinite(number):
        raise ValueError(f"value: expected a finite float32, got {value!r}")
    return f"{number.hex()}f"


def array(declaration: str, items, per_line: int = 8) -> str:
    """`declaration[n] = {...};`, never empty: C99 has no arrays of no elements."""
    texts = [str(item) for item in items] or ["0"]
    lines = [", ".join(texts[k : k + per_line]) for k in range(0, len(texts), per_line)]
    body = ",\n  ".join(lines)
    return f"{declaration}[{len(texts)}] = {{\n  {body}\n}};\n"


def macros(pairs) -> str:
    """`#define NAME value` lines, with the comment behind."""
    return "".join(f"#define {name} {value} /* {comment} */\n" for name, value, comment in pairs)
