# SPDX-License-Identifier: MIT
"""What a loss is: one row of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bpfree.registry import HostOnly


@dataclass(frozen=True)
class Loss:
    """One loss, per sample.

    values(arithmetic, y, target): (n,) losses of y (outputs, n); target is
    labels (n,) or, if not `labels`, targets (outputs, n).
    gradient(arithmetic, y, target): dL/dy of every sample, (outputs, n), in closed form.
    change(arithmetic, y, target, columns, s): L(y + s w_j) - L(y), (m, n), for each
    column w_j of columns (outputs, m), which all samples share.
    differences(arithmetic, y, target): the function that gives L(y + dy) - L(y), (m, n), of moves dy (outputs, m, n).
    closed: C symbol of these two.
    """

    number: int
    name: str
    c: str | HostOnly
    values: Callable
    labels: bool
    gradient: Callable
    change: Callable
    differences: Callable
    closed: str
