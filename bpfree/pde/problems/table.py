# SPDX-License-Identifier: MIT
"""What a problem of the library is: its row of the table, and parts of formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bpfree.registry import HostOnly


@dataclass(frozen=True)
class ProblemRow:
    """One row: class, C symbol of its residual, and what it is in half a sentence.

    coefficients(problem): those of the C residual, in the order of its struct in bpfree/pde.h; where there is one.
    Arguments of the class have defaults and are attributes of the same name, so settings(**values) makes it again.
    """

    number: int
    name: str
    c: str | HostOnly
    settings: type
    what: str
    coefficients: Callable | None = None


def components(x):
    """The components of a coordinate, one of one dimension among them: arrays or jets (n,)."""
    several = getattr(x, "value", x).ndim == 2
    return [x[k] for k in range(len(x))] if several else [x]


def norm_square(x):
    """|x|^2, (n,)."""
    return sum(one * one for one in components(x))


def product_of_sines(x):
    """prod_k sin(pi x_k), (n,)."""
    result = 1.0
    for one in components(x):
        result = result * np.sin(np.pi * one)
    return result
