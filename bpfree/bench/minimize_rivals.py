# SPDX-License-Identifier: MIT
"""Rivals of `bpfree.minimize`: SciPy, pycma, nevergrad, each with its own defaults and as many evaluations."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np


class Spent(Exception):
    """The evaluations are used up."""


class Counted:
    """A function with a budget that remembers the lowest value it gave; beyond the budget it raises `Spent`."""

    def __init__(self, function, budget: int):
        self.function, self.budget, self.calls, self.best = function, budget, 0, (np.inf, None)

    def __call__(self, x) -> float:
        """The value at x."""
        if self.calls >= self.budget:
            raise Spent
        self.calls += 1
        value = self.function(np.asarray(x))
        if value < self.best[0]:
            self.best = value, np.array(x)
        return value


def scipy_minimise(method: str, function: Counted, start, seed: int):
    """The result of a method of scipy.optimize.minimize, or the lowest point seen where the budget ended it."""
    from scipy import optimize

    options = {"maxiter": 10**9, "maxfun" if method == "L-BFGS-B" else "maxfev": 10**9}
    try:
        return optimize.minimize(function, start, method=method, options=options).x
    except Spent:
        return function.best[1]


def cma_minimise(function: Counted, start, seed: int):
    """pycma's favourite, with a first deviation of 0.5."""
    import cma

    settings = {"seed": seed + 1, "verbose": -9, "maxfevals": function.budget}  # 0 is the clock
    strategy = cma.CMAEvolutionStrategy(start, 0.5, settings)
    try:
        strategy.optimize(function)
    except Spent:
        pass
    return strategy.result.xfavorite


def nevergrad_minimise(function: Counted, start, seed: int):
    """The recommendation of nevergrad's TwoPointsDE; its NGOpt has models that fail with NumPy 2.4."""
    import nevergrad as ng

    space = ng.p.Array(init=start)
    space.random_state = np.random.RandomState(seed)
    optimizer = ng.optimizers.TwoPointsDE(space, budget=function.budget)
    try:
        return optimizer.minimize(function).value
    except Spent:
        return optimizer.provide_recommendation().value


RIVALS = {
    "nelder-mead": partial(scipy_minimise, "Nelder-Mead"),
    "powell": partial(scipy_minimise, "Powell"),
    "l-bfgs-b": partial(scipy_minimise, "L-BFGS-B"),
    "pycma": cma_minimise,
    "nevergrad": nevergrad_minimise,
}
"""By name: (function, start, seed) -> theta. L-BFGS-B takes forward differences, which are counted."""


def minimise(name: str, function, start, budget: int, seed: int):
    """theta of a rival; raises ImportError where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RIVALS[name](Counted(function, budget), start, seed)
