# SPDX-License-Identifier: MIT
"""What a file holds of a problem: the arguments that make a problem of the library again."""

from __future__ import annotations

from inspect import Parameter, signature

from bpfree.pde.problems import PROBLEMS
from bpfree.pde.well_posed import warn_once

_STATE = {"_bound", "_said"}
"""Attributes that come with use: values of unknowns, and warnings given."""


def settings_of(problem) -> dict | None:
    """Return the arguments that make a problem of the library again; None for other problems.

    One that was changed after it was made is another problem, which a warning says.
    """
    kind = type(problem)
    if all(kind is not row.settings for row in PROBLEMS):
        return None
    known = [] if kind.__init__ is object.__init__ else list(signature(kind).parameters.values())
    settings = {one.name: plain(getattr(problem, one.name)) for one in known if one.kind is not Parameter.VAR_KEYWORD}
    if _attributes(kind(**settings)) == _attributes(problem):
        return settings
    text = f"problem: expected {problem.name} as it was made, got one that was changed since"
    warn_once(problem, f"{text}, which a file cannot hold: give it to Solution.load(path, problem=...) again")
    return None


def _attributes(problem) -> dict:
    """Return the instance's attributes: numbers and texts as they are, of others the type."""
    plainly = {name: plain(one) for name, one in vars(problem).items() if name not in _STATE}
    return {name: one if isinstance(one, int | float | str) else type(one) for name, one in plainly.items()}


def plain(value):
    """Return NumPy's numbers as those of Python, which JSON can hold, and anything else that it cannot as the repr."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return value if isinstance(value, int | float | str | list | tuple | dict | type(None)) else repr(value)
