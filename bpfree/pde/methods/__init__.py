# SPDX-License-Identifier: MIT
"""Methods: how theta moves. Joined in one table."""

from __future__ import annotations

from bpfree.pde.methods import alternate, first_order, gauss_newton, levenberg_marquardt
from bpfree.registry import Table

METHODS = Table(
    "method",
    [
        *(levenberg_marquardt.ROW, gauss_newton.ROW, gauss_newton.HEAD_ROW, alternate.ROW),
        *(first_order.ROW, first_order.GRADIENT_ROW),
    ],
)
"""By name, for the command line."""
