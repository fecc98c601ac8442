# SPDX-License-Identifier: MIT
"""Two methods by turns."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.errors import check_count
from bpfree.pde.methods.table import Iteration, Method, MethodRow, Moved
from bpfree.registry import host_only


class _Iteration(Iteration):
    def __init__(self, settings, objective):
        super().__init__(settings, objective)
        self.iterations = [method.start(objective) for method in (settings.first, settings.second)]
        self.stalled = [False, False]

    def turn(self, step: int) -> int:
        """Whose step it is."""
        turns = self.settings.turns
        return int(step % sum(turns) >= turns[0])

    def step(self, theta, step):
        """One of the two; it is over when neither gets on."""
        turn = self.turn(step)
        moved = self.iterations[turn].step(theta, step)
        self.stalled[turn] = moved.code == "stalled"
        if moved.code == "stalled" and not all(self.stalled):
            return Moved(moved.theta, moved.loss, moved.r, "nothing to be had")
        return moved

    def cost(self, step):
        """Return the cost of a step of the method whose turn it is."""
        return self.iterations[self.turn(step)].cost(step)

    def largest_product(self, step):
        """Return the larger one of all methods, as the threads stay for a whole solve."""
        return max(iteration.largest_product(step) for iteration in self.iterations)


@dataclass(frozen=True)
class Alternate(Method):
    """turns[0] steps of one method, turns[1] of another, and so on.

    Such as an exact last layer between steps that move the others:

    >>> import bpfree as bf
    >>> both = Alternate(bf.LeastSquaresHead(), bf.LevenbergMarquardt(), turns=(1, 4))
    >>> solution = bf.pde.solve(bf.pde.Poisson(dim=1), method=both, points=64, max_steps=10)
    >>> solution.error() < 1e-4
    True
    """

    first: Method
    second: Method
    turns: tuple[int, int] = (1, 1)

    iteration = _Iteration

    def __post_init__(self):
        for name in ("first", "second"):
            if not isinstance(getattr(self, name), Method):
                raise TypeError(f"{name}: expected a method such as LevenbergMarquardt(), got {getattr(self, name)!r}")
        for turn in self.turns:
            check_count("turns", turn)

    @property
    def tier(self) -> str:
        """The tiers of both methods."""
        return " + ".join(dict.fromkeys((self.first.tier, self.second.tier)))


ROW = MethodRow(3, "alternate", host_only("solves dense systems in float64"), Alternate, "layer-access", "two by turns")
