# SPDX-License-Identifier: MIT
"""A PDE of your own in ten lines, and a system of two equations in ten more.

The first is a rod with a heat source, whose unknown conductivity is found from the
readings of five sensors. The second is a pendulum, with an angle and a speed, which
SciPy solves for comparison.

Run it with `python examples/own_pde.py [STEPS]`; it takes about ten seconds.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
from scipy.integrate import solve_ivp

import bpfree as bf

SENSORS = np.array([[0.2, 0.3], [0.5, 0.2], [0.5, 0.6], [0.7, 0.9], [0.9, 0.5]])  # x, t


class Heat(bf.pde.Problem):
    """u_t = alpha u_xx + source, where alpha is to be found; its true value is 0.3."""

    domain = bf.pde.Box(x=(0, 1), t=(0, 1))
    alpha = bf.pde.Unknown(0.1)
    fields = {"source": lambda x, t: (0.3 * np.pi**2 - 1) * np.exp(-t) * np.sin(np.pi * x)}
    conditions = [
        bf.pde.Dirichlet("x", 0.0),
        bf.pde.Initial(lambda x: np.sin(np.pi * x)),
        bf.pde.Observed(SENSORS, np.exp(-SENSORS[:, 1]) * np.sin(np.pi * SENSORS[:, 0])),
    ]

    def residual(self, u, c):
        """Return what should be 0."""
        return u.t - self.alpha * u.xx - c.source

    def exact(self, c):
        """Return the solution, which is used for comparison only."""
        return np.exp(-c.t) * np.sin(np.pi * c.x)


class Pendulum(bf.pde.Problem):
    """A pendulum released at two radians: angle' = speed, speed' = -sin(angle)."""

    domain = bf.pde.Box(t=(0, 4))
    outputs = ("angle", "speed")
    conditions = [
        bf.pde.Initial(2.0, output="angle", hard=True),
        bf.pde.Initial(0.0, output="speed", hard=True),
    ]
    points = 100

    def residual(self, u, c):
        """Return the residuals of the two equations."""
        return u.angle.t - u.speed, u.speed.t + np.sin(u.angle)

    def reference(self, points):
        """Return the solution by SciPy's integrator."""
        swing = solve_ivp(lambda t, y: (y[1], -np.sin(y[0])), (0, 4), (2.0, 0.0), dense_output=True, rtol=1e-10)
        return swing.sol(np.asarray(points)[:, 0]).T


def main(steps=40, folder="."):
    """Solve both problems, print the errors, and return them."""
    found = {}
    for problem in (Heat(), Pendulum()):
        solution = bf.pde.solve(problem, max_steps=steps)
        print(solution.summary(), end="\n\n")
        found[problem.name] = solution.error()
        found.update(solution.unknowns)
        if find_spec("matplotlib"):
            path = f"{folder}/own_{problem.name.lower()}.png"
            solution.plot(path)
            print(f"wrote {path}\n")
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
