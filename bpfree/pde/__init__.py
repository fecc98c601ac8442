# SPDX-License-Identifier: MIT
"""Solve partial differential equations with forward passes only: derivatives in space, and of the parameters."""

from __future__ import annotations

from bpfree.pde.domain import Box, Cube, Normal
from bpfree.pde.problem import Problem, Unknown
from bpfree.pde.rules.taylor import Taylor
