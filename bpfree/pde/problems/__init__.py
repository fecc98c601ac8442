# SPDX-License-Identifier: MIT
"""The table of problems with a reference, one file per row."""

from __future__ import annotations

from bpfree.pde.problems import (
    acoustics,
    allen_cahn,
    black_scholes,
    burgers,
    darcy,
    heat,
    helmholtz,
    hjb_lin,
    hjb_lqg,
    inverse_heat,
    poisson,
)
from bpfree.registry import Table

PROBLEMS = Table(
    "problem",
    [
        *(black_scholes.ROW, hjb_lin.ROW, hjb_lqg.ROW, burgers.ROW, poisson.ROW, heat.ROW, helmholtz.ROW),
        *(allen_cahn.ROW, darcy.ROW, inverse_heat.ROW, acoustics.ROW),
    ],
)
"""The problems of the library, by name."""
