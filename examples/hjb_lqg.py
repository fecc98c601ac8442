# SPDX-License-Identifier: MIT
"""Hamilton-Jacobi-Bellman with quadratic costs, in any number of dimensions: an honest high-dimensional test.

The solution is known by one integral, and no simple formula gives it. The error is
printed beside floors, the errors of answers that need no network. Only an error far
below the last of them shows that something was learned.

The error is a mean over x ~ N(0, 1) in every component. In many dimensions that is a
shell of radius sqrt(DIM), which is shaded in the picture. The middle, x = 0, is far from
all points, and the value of the network there is a guess.

Run it with `python examples/hjb_lqg.py [DIM] [SECONDS]`: 20 dimensions, 20 seconds.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
from scipy.stats import chi2

import bpfree as bf


def draw(solution, path):
    """Draw u along a line through all of space, shaded where 99 % of the points are, and the history."""
    from matplotlib.figure import Figure

    problem = solution.asked
    figure = Figure(figsize=(12.8, 4.0), layout="constrained")
    line, history = figure.subplots(1, 2)
    s = np.linspace(0, 2, 101)
    line.axvspan(*np.sqrt(chi2.ppf([0.005, 0.995], problem.dim) / problem.dim), color="gray", alpha=0.2)
    for t, colour in ((0.0, "tab:blue"), (0.5, "tab:orange"), (1.0, "tab:green")):
        points = np.concatenate([np.tile(s[:, None], problem.dim), np.full((len(s), 1), t)], axis=1)
        line.plot(s, solution.predict(points)[:, 0], color=colour, label=f"t = {t:g}")
        line.plot(s, problem.reference(points)[:, 0], color="black", linestyle=":")
    line.set(xlabel="|x| / sqrt(dimensions)", ylabel="u", title=f"{problem.dim} dimensions; dotted: reference")
    line.legend()
    looks = solution.history.looks[1:]
    history.loglog([look.forwards for look in looks], [look.error for look in looks], color="tab:red")
    for name, value in problem.floors().items():
        history.axhline(value, color="gray", linestyle=":")
        history.text(looks[0].forwards, value, name, va="bottom", fontsize=7)
    history.set(xlabel="forwards (passes of one sample)", ylabel="relative L2 error", title="history, and floors")
    figure.savefig(path, dpi=120)


def main(dim=20, seconds=20, picture="hjb_lqg.png", **budget):
    """Solve, print the error and the floors, and return them."""
    solution = bf.pde.solve(bf.pde.HJBLQG(dim=dim), max_seconds=seconds, **budget)
    error, floors, h = solution.error(), solution.asked.floors(), solution.history
    print(f"{dim} dimensions, {solution.graph.n_theta:,} parameters, {solution.steps} steps of Levenberg-Marquardt")
    print(f"{h.forwards:,} forwards, {h.seconds:.1f} s\n\nrelative L2 error")
    for name, value in {**floors, "this network": error}.items():
        print(f"  {name:26} {value:8.1e}")
    middle = np.zeros((1, dim + 1))
    print(f"\nu(0, 0), where no points are: {solution.predict(middle).item():.3f}, reference "
          f"{solution.asked.reference(middle).item():.3f}")  # fmt: skip
    if find_spec("matplotlib"):
        draw(solution, picture)
        print(f"\nwrote {picture}")
    return {"error": error, "floors": floors, "forwards": h.forwards}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
