# SPDX-License-Identifier: MIT
"""Measured values inside a domain, from which unknown coefficients are found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from bpfree.errors import check_unmasked
from bpfree.pde.conditions import Condition
from bpfree.pde.term import Term


@dataclass(frozen=True, eq=False)
class Observed(Condition):
    """Measured values (n,) of u at points (n, dim), all of which are used in every step.

    >>> Observed([[0.5, 0.1]], [0.8]).name
    'observed'
    """

    points: np.ndarray
    values: np.ndarray

    def __post_init__(self):
        super().__post_init__()
        check_unmasked("observed: points", self.points)
        check_unmasked("observed: values", self.values)

    def term(self, problem):
        """Return its term, at its own points."""
        points = np.asarray(self.points, float)
        return Term(self._named(), self.rows, lambda n, sampler, seed: points, self.weight, self.share)

    @cached_property
    def _tree(self):
        return cKDTree(np.asarray(self.points, float))

    def rows(self, problem, fields, c):
        """Return u - value, with the value of the nearest observation, which is that of the point itself."""
        own = self._tree.query(c._points)[1]
        return self.field(problem, fields).value - np.asarray(self.values)[own]

    def check(self, problem):
        """Raise unless there is a finite value for every point, and the points are in the domain."""
        self.index(problem)
        points, values = problem.domain.check(self.points, self.name), np.asarray(self.values)
        if values.shape != (len(points),):
            raise ValueError(f"{self.name}: expected values of shape ({len(points)},), got {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError(f"{self.name}: expected finite values, got {values[~np.isfinite(values)][0]}")
