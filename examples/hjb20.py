# SPDX-License-Identifier: MIT
"""HJB in twenty dimensions as it was first solved without back-propagation, and what that costs today.

In the published setting, a sparse grid of level 3 with sigma = 0.1 gives the
derivatives in space, with 925 passes per point; ten random directions and Adam move
the parameters, with 100 new points per step, in float32. It is compared with:

1. the same steps with Taylor derivatives, 23 streams instead of 925 passes;
2. Taylor for as many forwards as the sparse grid took;
3. least squares for the last layer, which solves this equation to rounding.

The floor is shown beside them: the untrained answer "network = 0" has an error of
5.5 %, and the best constant is exact. An equation with such floors is no evidence for
a method; that of hjb_lqg.py is.

Run it with `python examples/hjb20.py [STEPS]`; two steps take about half a minute.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

import bpfree as bf

PROBLEM = bf.pde.HJBLIN(dim=20)
PUBLISHED_STEPS = 10_000
RANDOM = bf.FirstOrder(bf.RGE(n_queries=10, mu=0.01), bf.Adam(1e-3))


def as_published(steps, points):
    """Solve with a sparse grid and random directions; precision=0.1 allows their rounding errors in float32."""
    rule = bf.pde.SparseGrid(level=3, sigma=0.1)
    return bf.pde.solve(
        PROBLEM, rule=rule, method=RANDOM, points=points, engine="compiled", precision=0.1,
        max_steps=steps, look_every=1,
    )  # fmt: skip


def with_taylor(points, **budget):
    """Solve with random directions and exact derivatives."""
    return bf.pde.solve(PROBLEM, method=RANDOM, points=points, engine="compiled", look_every=5, **budget)


def show(name, solution):
    """Print one row."""
    h = solution.history
    cost = f"{solution.steps:6,} steps {h.forwards:13,} forwards {h.seconds:8.1f} s"
    print(f"{name:34} {cost}   relative L2 {solution.error():.1e}")


def draw(runs, floor, path):
    """Draw the error against forwards."""
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    axis = figure.subplots()
    for name, solution in runs.items():
        looks = solution.history.looks[1:]
        axis.loglog([look.forwards for look in looks], [look.error for look in looks], marker="o", label=name)
    axis.axhline(floor, color="black", linestyle=":", label="network = 0")
    axis.set(xlabel="forwards (passes of one sample)", ylabel="relative L2 error", title="HJB-LIN, 20 dimensions")
    axis.legend()
    figure.savefig(path, dpi=120)


def main(steps=2, points=100, picture="hjb20.png"):
    """Solve four times, print errors and forwards, and return them."""
    runs = {"sparse grid, random directions": as_published(steps, points)}
    spent = runs["sparse grid, random directions"].history
    runs["Taylor, the same steps"] = with_taylor(points, max_steps=steps)
    runs["Taylor, the same forwards"] = with_taylor(points, max_forwards=spent.forwards)
    runs["Taylor, least squares"] = bf.pde.solve(PROBLEM, method=bf.LeastSquaresHead(), points=10 * points)
    floor = PROBLEM.floors()["zero network"]
    for name, solution in runs.items():
        show(name, solution)
    print(f"{'floor: network = 0':34} {'':45}   relative L2 {floor:.1e}\n")
    share = PUBLISHED_STEPS / steps
    print(f"{PUBLISHED_STEPS:,} steps, as published: {share * spent.forwards:.1e} forwards with the sparse grid, "
          f"{share * spent.seconds / 3600:.0f} hours at this speed")  # fmt: skip
    if find_spec("matplotlib"):
        draw(runs, floor, picture)
        print(f"wrote {picture}")
    return {name: (solution.error(), solution.history.forwards) for name, solution in runs.items()}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
