# SPDX-License-Identifier: MIT
"""Burgers: a wave that steepens until viscosity stops it at a width of 0.01.

The initial and boundary conditions are hard: the network is multiplied by a function
that is 0 there. The equation has to hold at 2,000 points, which are denser where the
wave is steep. Levenberg-Marquardt works on the vector of its residuals.

Run it with `python examples/burgers.py [STEPS]`; 70 steps take about 25 seconds.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np

import bpfree as bf

TIMES = (0.0, 0.25, 0.5, 0.75, 1.0)


def draw(solution, path):
    """Draw profiles at five times, and the error everywhere."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.8, 4.0), layout="constrained")
    profiles, off = figure.subplots(1, 2)
    x = np.linspace(-1, 1, 401)
    for number, t in enumerate(TIMES):
        points = np.stack([x, np.full_like(x, t)], axis=1)
        profiles.plot(x, solution.predict(points)[:, 0], color=f"C{number}", label=f"t = {t:g}")
        profiles.plot(x, solution.asked.reference(points)[:, 0], color="black", linestyle=":")
    profiles.set(xlabel="x", ylabel="u", title="dotted: reference")
    profiles.legend()
    grid = np.meshgrid(np.linspace(0, 1, 101), x)
    points = np.stack([grid[1].ravel(), grid[0].ravel()], axis=1)
    error = np.abs(solution.predict(points) - solution.asked.reference(points))
    shade = off.pcolormesh(*grid, np.log10(error + 1e-12).reshape(grid[0].shape), vmin=-6, shading="auto")
    figure.colorbar(shade, ax=off)
    off.set(xlabel="t", ylabel="x", title="log10 of the error")
    figure.savefig(path, dpi=120)


def main(steps=70, picture="burgers.png"):
    """Solve, print the error, and return it with the lowest floor."""
    solution = bf.pde.solve(bf.pde.Burgers(), max_steps=steps)
    print(solution.summary())
    if find_spec("matplotlib"):
        draw(solution, picture)
        print(f"wrote {picture}")
    return {"error": solution.error(), "floor": min(solution.asked.floors().values())}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
