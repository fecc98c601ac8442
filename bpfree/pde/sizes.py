# SPDX-License-Identifier: MIT
"""How large the terms of equations are, beside which their residuals are small or not."""

from __future__ import annotations

import numpy as np

from bpfree.pde.inside import lengths_of
from bpfree.pde.sensitivities import quantity_of, quantity_slopes
from bpfree.pde.size_of_u import unit_of
from bpfree.pde.trial import finite_or_0, sizes_of_terms

FLOOR = 1e-2
"""Share of the terms of a u that varies by its scale over the whole domain, beside which a residual is small in any
case. Where the terms of the solution itself are 0, as u_xx of a straight line is, the rounding of the residual would
otherwise be compared with that of the terms."""


def scales_of(fields, spread) -> np.ndarray:
    """Return the scale (outputs,) of each u from the jets of the fields inside the domain.

    It is the rms of u, and at least the spread that a solve takes the output of the network to have: some u are 0.
    """
    return np.maximum(spread, [np.sqrt((finite_or_0(jet.value) ** 2).mean()) for jet in fields])


@np.errstate(all="ignore")  # a formula may not be finite where quantities are 0; its terms are then left out
def size_of_terms(part, problem, fields, stencil, scales, typical=None):
    """Return the rms (rows,) of the terms (dr/dq) q of a term's equations, where q are the quantities that they read.

    r at q = 0, a source, is another term. scales: those of u, for the floor.
    typical: {(field, quantity): q}, in place of the values at the points of the term.
    """
    slopes = quantity_slopes(part, problem, fields, stencil)
    source = part.formula_rows(problem, fields, stencil, dict.fromkeys(slopes, np.zeros_like))
    if typical is None:
        values = [quantity_of(part, fields, stencil, key) for key in slopes]
    else:
        values = [typical[k, q] for k, _, q in slopes]
    lengths = lengths_of(problem.domain)
    least = [FLOOR * unit_of(q, scales[k], lengths) for k, _, q in slopes]
    floor, _ = sizes_of_terms(slopes.values(), least, source)
    return np.sqrt(sum(sizes_of_terms(slopes.values(), values, source)) + floor)
