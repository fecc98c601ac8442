# SPDX-License-Identifier: MIT
"""How well does a rod conduct? A coefficient is found from noisy temperatures, together with the network.

The result is printed beside the accuracy that the noise allows: the standard deviation
that no unbiased estimate from these measurements can beat (Cramer and Rao), if the
solution is known except for the coefficient.

Run it with `python examples/inverse_heat.py [STEPS]`; it takes about ten seconds.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np

import bpfree as bf

NOISE = (0.0, 0.001, 0.01, 0.05)


def allowed(problem):
    """Return noise / |du/dalpha| over the measurements, where u = exp(-alpha pi^2 t) sin(pi x)."""
    alpha, (x, t) = problem.truth["alpha"], problem.conditions[-1].points.T
    slope = np.pi**2 * t * np.exp(-alpha * np.pi**2 * t) * np.sin(np.pi * x)
    return problem.noise / np.linalg.norm(slope)


def draw(rows, path):
    """Draw the coefficients found, and one standard deviation of the allowed accuracy."""
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    axis = figure.subplots()
    axis.errorbar(range(len(rows)), [0.1] * len(rows), [row[2] for row in rows], fmt="none", capsize=8, label="allowed")
    axis.plot(range(len(rows)), [row[1] for row in rows], "o", color="tab:red", label="found")
    axis.set_xticks(range(len(rows)), [f"{row[0]:g}" for row in rows])
    axis.set(xlabel="noise of a measurement", ylabel="alpha", title="100 measurements, alpha = 0.1")
    axis.legend()
    figure.savefig(path, dpi=120)


def main(steps=20, picture="inverse_heat.png"):
    """Solve once for each noise, and return {noise: (found, allowed)}."""
    rows = []
    print("noise     alpha (truth 0.1)   off by     noise alone, at best   error of u   forwards    seconds")
    for noise in NOISE:
        problem = bf.pde.InverseHeat(noise=noise)
        solution = bf.pde.solve(problem, points=300, max_steps=steps)
        found, best, h = solution.unknowns["alpha"], allowed(problem), solution.history
        rows.append((noise, found, best))
        off = found - problem.truth["alpha"]
        cost = f"{h.forwards:12,} {h.seconds:7.1f}"
        print(f"{noise:<9g} {found:17.5f} {off:+9.1e} {best:21.1e} {solution.error():14.1e} {cost}")
    floors = ", ".join(f"{name} {value:.1e}" for name, value in problem.floors().items())
    print(f"floors of u: {floors}; the first guess of alpha is {problem.unknowns['alpha']:g}")
    if find_spec("matplotlib"):
        draw(rows, picture)
        print(f"wrote {picture}")
    return {noise: (found, best) for noise, found, best in rows}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
