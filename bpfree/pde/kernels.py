# SPDX-License-Identifier: MIT
"""The table of residuals that the C runtime computes: what a device that trains on a PDE calls at each point."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.registry import Table


@dataclass(frozen=True)
class ResidualRow:
    """A residual in C: number and name, its symbol, the coefficients it takes in their order, and its equation.

    All read the jet of one output at points (x_1 .. x_d, t): value, first derivatives by all coordinates, Laplacian
    in x.
    """

    number: int
    name: str
    c: str
    coefficients: tuple[str, ...]
    what: str


_HJB = "u_t + Lap u - weight |grad u|^2 - source, u = {} + (end - t) f"

RESIDUALS = Table(
    "residuals",
    [
        ResidualRow(
            number=0,
            name="black_scholes",
            c="bpfree_residual_black_scholes",
            coefficients=("rate", "volatility"),
            what="u_t + volatility^2 x^2 u_xx / 2 + rate x u_x - rate u",
        ),
        ResidualRow(
            number=1,
            name="hjb_lin",
            c="bpfree_residual_hjb_lin",
            coefficients=("weight", "source", "end"),
            what=_HJB.format("sum x"),
        ),
        ResidualRow(
            number=2,
            name="hjb_lqg",
            c="bpfree_residual_hjb_lqg",
            coefficients=("weight", "source", "end"),
            what=_HJB.format("log((1 + |x|^2) / 2)"),
        ),
    ],
)
