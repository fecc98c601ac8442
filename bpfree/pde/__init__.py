# SPDX-License-Identifier: MIT
"""Solves partial differential equations with forward passes only, for derivatives in space and by the parameters."""

from __future__ import annotations

from bpfree.pde.conditions import Dirichlet, Initial, Neumann, Periodic, Robin, Terminal
from bpfree.pde.domain import Box, Cube, Normal
from bpfree.pde.explain import explain
from bpfree.pde.fields import Coordinates, Field
from bpfree.pde.observed import Observed
from bpfree.pde.problem import Problem, Unknown
from bpfree.pde.problems import PROBLEMS
from bpfree.pde.problems.acoustics import Acoustics
from bpfree.pde.problems.allen_cahn import AllenCahn
from bpfree.pde.problems.black_scholes import BlackScholes
from bpfree.pde.problems.burgers import Burgers
from bpfree.pde.problems.darcy import Darcy
from bpfree.pde.problems.heat import Heat
from bpfree.pde.problems.helmholtz import Helmholtz
from bpfree.pde.problems.hjb_lin import HJBLIN
from bpfree.pde.problems.hjb_lqg import HJBLQG
from bpfree.pde.problems.inverse_heat import InverseHeat
from bpfree.pde.problems.poisson import Poisson
from bpfree.pde.rules.differences import Differences
from bpfree.pde.rules.precision import check_precision
from bpfree.pde.rules.random_directions import RandomDirections
from bpfree.pde.rules.sparse_grid import SparseGrid
from bpfree.pde.rules.stein import Stein
from bpfree.pde.rules.table import Rule, Stencil
from bpfree.pde.rules.taylor import Taylor
from bpfree.pde.solution import Solution
from bpfree.pde.solve import solve

__all__ = [name for name, value in globals().items() if getattr(value, "__module__", "").startswith("bpfree.pde.")]
