# SPDX-License-Identifier: MIT
"""One term of a problem's loss: equations that hold at one kind of points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """Equations that hold at one kind of points; `problem.terms()` returns them.

    name: the name in reports.
    formula: a function (problem, fields, coordinates) that returns what should be 0, (n,), or a tuple for several
    equations; fields is one :class:`~bpfree.pde.fields.Field`, or a namespace of them by name for several outputs.
    sample: a function (n, sampler, seed) that returns points (n, dim).
    weight: the weight of its mean square in the loss.
    share: the number of its points, relative to those inside.
    partner: for equations between pairs of points, such as periodic ones, a function (points) that returns the second
    point of each pair; the formula then gets pairs (fields, fields) and (coordinates, coordinates).
    """

    name: str
    formula: Callable
    sample: Callable
    weight: float = 1.0
    share: float = 1.0
    partner: Callable | None = None
