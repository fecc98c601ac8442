# SPDX-License-Identifier: MIT
"""Evaluates known functions: numbers, functions of coordinates by name, or functions of all coordinates."""

from __future__ import annotations

import inspect
from numbers import Real

from bpfree.pde.dual import Dual


def known(name: str, given, c):
    """Return the value at coordinates c: a number itself, or the result of a function.

    given: a number, or a function. Its arguments are names of coordinates or fields, as in lambda x, t: ..., or it
    has one argument c with all of them, as in lambda c: c.x. Arguments with a default may have any name.
    name: the name in messages.

    >>> from types import SimpleNamespace
    >>> at = SimpleNamespace(x=3.0, t=0.5)
    >>> known("value", 2, at), known("value", lambda x, t: x + t, at), known("value", lambda c: c.x, at)
    (2, 3.5, 3.0)
    """
    if isinstance(given, Real | Dual) and not isinstance(given, bool):
        return given
    if not callable(given):
        raise TypeError(f"{name}: expected a number or a function of coordinates, got {given!r}")
    try:
        parameters = inspect.signature(given).parameters.values()
    except ValueError:
        raise TypeError(f"{name}: expected a function with named arguments, got {given!r}") from None
    needed = [one.name for one in parameters if one.default is inspect.Parameter.empty]
    values = {}
    for argument in needed:
        try:
            values[argument] = getattr(c, argument)
        except (ValueError, AttributeError) as error:
            if needed == ["c"]:
                return given(c)
            expected = "a function of coordinates by name, or of c"
            raise ValueError(f"{name}: expected {expected}, got the argument {argument!r}") from error
    return given(**values)
