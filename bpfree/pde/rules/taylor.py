# SPDX-License-Identifier: MIT
"""Taylor: u and its derivatives go through the network together, exact to rounding."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.pde.rules.table import Rule, RuleRow, Stencil


@dataclass(frozen=True)
class Taylor(Rule):
    """Forward Taylor mode, with one stream for a whole Laplacian (Li et al., forward Laplacian, 2024).

    A pass has 1 + G + H streams: the value, G first derivatives, and H second derivatives or sums of them. u, its
    gradient and its Laplacian in D coordinates are D + 2 streams. A linear layer applies to every stream; an
    activation phi turns first derivatives d into phi' d, and a Laplacian l into phi' l + phi'' sum d^2.

    The rule needs access to the layers, so it does not work for a black box.

    >>> from bpfree.pde import Box, Laplacian
    >>> Taylor().stencil([Laplacian((0, 1))], Box(x=(0, 1), y=(0, 1)), "f8").passes
    4
    """

    def along(self, layout, dtype, seed: int = 0, step: int = 0) -> Stencil:
        """Return the streams themselves."""
        return Stencil(layout, rule=self)


ROW = RuleRow(0, "taylor", "bpfree_rule_taylor", Taylor, "exact derivatives by streams through the network")
