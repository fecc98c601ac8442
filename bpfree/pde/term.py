# SPDX-License-Identifier: MIT
"""One term of a problem's loss: equations that hold at one kind of points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """Equations that hold at one kind of points; `problem.terms()` has them.

    name: as it is reported. formula(problem, fields, coordinates): what is to be 0, (n,) or a tuple of them; fields
    is one :class:`~bpfree.pde.fields.Field`, or a namespace of them by name where there are several outputs.
    sample(n, sampler, seed): points (n, dim). share: of the points that go to this term, relative to the interior's 1.
    weight: of its mean square in the loss. partner(points): for equations between two points each, such as periodic
    ones, the second of each; the formula then gets pairs (fields, fields), (coordinates, coordinates).
    """

    name: str
    formula: Callable
    sample: Callable
    weight: float = 1.0
    share: float = 1.0
    partner: Callable | None = None
