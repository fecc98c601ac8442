# SPDX-License-Identifier: MIT
"""The rows of the table of problems, and parts of formulas that problems share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bpfree.registry import HostOnly


@dataclass(frozen=True)
class ProblemRow:
    """One row: class, C symbol of its residual, and a short description.

    coefficients: a function (problem) that returns the coefficients of the C residual, in the order of its struct in
    bpfree/pde.h; None without one.

    The arguments of the class have defaults and are attributes of the same name, so that settings(**values) makes the
    problem again.
    """

    number: int
    name: str
    c: str | HostOnly
    settings: type
    what: str
    coefficients: Callable | None = None


def components(x):
    """Return the components of a coordinate, of one or several dimensions, as a list of arrays or jets (n,)."""
    several = getattr(x, "value", x).ndim == 2
    return [x[k] for k in range(len(x))] if several else [x]


def norm_square(x):
    """Return |x|^2, (n,)."""
    return sum(one * one for one in components(x))


def product_of_sines(x):
    """Return prod_k sin(pi x_k), (n,)."""
    result = 1.0
    for one in components(x):
        result = result * np.sin(np.pi * one)
    return result
