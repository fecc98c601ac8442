# SPDX-License-Identifier: MIT
"""Solve partial differential equations with forward passes only: derivatives in space, and of the parameters."""

from __future__ import annotations

from bpfree.pde.domain import Box, Cube, Normal
from bpfree.pde.problem import Problem, Unknown
from bpfree.pde.rules.differences import Differences
from bpfree.pde.rules.precision import check_precision
from bpfree.pde.rules.random_directions import RandomDirections
from bpfree.pde.rules.sparse_grid import SparseGrid
from bpfree.pde.rules.stein import Stein
from bpfree.pde.rules.taylor import Taylor
