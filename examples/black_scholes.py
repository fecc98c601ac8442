# SPDX-License-Identifier: MIT
"""A call option: its price, delta and gamma from one network, beside the closed form.

The stock is between 0 and 200, the strike 100, the interest 5 %, the volatility 20 %,
and there is one year to go. The network learns the price from the equation and the
payoff alone. Delta and gamma are its exact derivatives by the stock's price, from the
same forward passes.

Run it with `python examples/black_scholes.py [STEPS]`; 40 steps take about ten seconds.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
from scipy.stats import norm

import bpfree as bf

STOCKS = (80.0, 90.0, 100.0, 110.0, 120.0)


def closed_form(problem, stock, left):
    """Return price, delta and gamma (n, 3) with `left` years to go (Black and Scholes 1973)."""
    spread = problem.volatility * np.sqrt(left)
    d1 = (np.log(stock / problem.strike) + (problem.rate + problem.volatility**2 / 2) * left) / spread
    discounted = problem.strike * np.exp(-problem.rate * left)
    price = stock * norm.cdf(d1) - discounted * norm.cdf(d1 - spread)
    return np.stack([price, norm.cdf(d1), norm.pdf(d1) / (stock * spread)], axis=-1)


def greeks(solution, stock, left):
    """Return the same from the network: x = S / 200 and u = price / 200, so delta is u_x and gamma u_xx / 200."""
    highest = solution.asked.highest
    points = np.stack([stock / highest, 1.0 - left + 0.0 * stock], axis=1)
    return solution.evaluate(lambda u, c: (highest * u, u.x, u.xx / highest), points)


def draw(solution, path):
    """Draw the price as a surface, its error, and delta and gamma half a year before the end."""
    from matplotlib.figure import Figure

    problem = solution.asked
    stock, left = np.meshgrid(np.linspace(1, 199, 100), np.linspace(0.02, 1, 50))
    mine = greeks(solution, stock.ravel(), left.ravel())
    theirs = closed_form(problem, stock.ravel(), left.ravel())
    figure = Figure(figsize=(13, 4), layout="constrained")
    surface = figure.add_subplot(1, 3, 1, projection="3d")
    surface.plot_surface(stock, left, mine[:, 0].reshape(stock.shape), cmap="viridis")
    surface.set(xlabel="stock", ylabel="years to go", title="price of the call")
    off = figure.add_subplot(1, 3, 2)
    shade = off.pcolormesh(stock, left, (mine - theirs)[:, 0].reshape(stock.shape), cmap="coolwarm", shading="auto")
    figure.colorbar(shade, ax=off)
    off.set(xlabel="stock", ylabel="years to go", title="price, error")
    lines = figure.add_subplot(1, 3, 3)
    middle = np.linspace(20, 180, 161)
    found, known = greeks(solution, middle, 0.5), closed_form(problem, middle, 0.5)
    for column, scale, name in ((1, 1, "delta"), (2, 40, "40 gamma")):
        lines.plot(middle, scale * found[:, column], label=name)
        lines.plot(middle, scale * known[:, column], color="black", linestyle=":")
    lines.set(xlabel="stock", title="half a year to go; dotted: closed form")
    lines.legend()
    figure.savefig(path, dpi=120)


def main(steps=40, points=600, picture="black_scholes.png"):
    """Solve, print the errors, and return them."""
    solution = bf.pde.solve(bf.pde.BlackScholes(), points=points, max_steps=steps)
    print(solution.summary())
    stock = np.array(STOCKS)
    mine, theirs = greeks(solution, stock, 1.0), closed_form(solution.asked, stock, 1.0)
    print("\none year to go, network | closed form\nstock        price             delta             gamma")
    for row, own, known in zip(stock, mine, theirs):
        columns = (f"{a:8.{n}f} |{b:8.{n}f}" for a, b, n in zip(own, known, (3, 4, 5)))
        print(f"{row:5.0f} {' '.join(columns)}")
    if find_spec("matplotlib"):
        draw(solution, picture)
        print(f"\nwrote {picture}")
    errors = np.abs(mine - theirs).max(axis=0)
    return {"error": solution.error(), **dict(zip(("price", "delta", "gamma"), errors.tolist()))}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
