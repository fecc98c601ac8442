# SPDX-License-Identifier: MIT
"""Functions that minimisers are compared on: where they start, what noise they have, what is asked of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

D = 20


class Case(NamedTuple):
    """One function to be minimised, as a seed makes it.

    make: seed -> (function without its noise, start). noise: standard deviation of what is added to every
    value. of_start: is the result judged as a share of the value at the start, or as it is? bar: what it must
    be at most. said: function and start in words.
    """

    make: Callable
    bar: float
    of_start: bool
    said: str
    noise: float = 0.0


def _draw(seed: int):
    return np.random.Generator(np.random.Philox(key=(seed, 20)))


def _sphere(scale: float):
    def make(seed):
        return lambda x: float(scale * ((x - 1) ** 2).sum()), _draw(seed).uniform(-2, 2, D)

    return make


def _rosenbrock(d: int):
    def rosenbrock(x):
        return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())

    return lambda seed: (rosenbrock, np.zeros(d))


def _ellipsoid(condition: float, rotated: bool):
    weights = condition ** (np.arange(D) / (D - 1))

    def make(seed):
        draw = _draw(seed)
        turn = np.linalg.qr(draw.standard_normal((D, D)))[0] if rotated else np.eye(D)
        return lambda x: float(weights @ (turn @ (x - 1)) ** 2), draw.uniform(-2, 2, D)

    return make


def _rastrigin(seed):
    return lambda x: float((x**2 + 10 - 10 * np.cos(2 * np.pi * x)).sum()), _draw(seed).uniform(-5.12, 5.12, D)


_BOX = "from uniform in [-2, 2]^20"
_SUM = "sum w_i (x_i - 1)^2, w from 1 to"

CASES = {
    "sphere-1e-6": Case(_sphere(1e-6), 1e-6, True, f"1e-6 |x - 1|^2, {_BOX}"),
    "sphere": Case(_sphere(1.0), 1e-6, True, f"|x - 1|^2, {_BOX}"),
    "sphere-1e6": Case(_sphere(1e6), 1e-6, True, f"1e6 |x - 1|^2, {_BOX}"),
    "rosenbrock-10": Case(_rosenbrock(10), 0.1, False, "Rosenbrock's function, 10 parameters, from 0"),
    "rosenbrock-20": Case(_rosenbrock(20), 1.0, False, "Rosenbrock's function, 20 parameters, from 0"),
    "ellipsoid-1e3": Case(_ellipsoid(1e3, False), 1e-3, True, f"{_SUM} 1e3, {_BOX}"),
    "ellipsoid-1e4": Case(_ellipsoid(1e4, False), 1e-3, True, f"{_SUM} 1e4, {_BOX}"),
    "rotated-1e3": Case(_ellipsoid(1e3, True), 1e-3, True, f"{_SUM} 1e3, in a frame turned at random, {_BOX}"),
    "rotated-1e4": Case(_ellipsoid(1e4, True), 1e-3, True, f"{_SUM} 1e4, in a frame turned at random, {_BOX}"),
    "noisy-0.1": Case(_sphere(1.0), 0.3, False, f"|x - 1|^2 + N(0, 0.1^2), {_BOX}, judged without noise", 0.1),
    "noisy-1": Case(_sphere(1.0), 0.3, False, f"|x - 1|^2 + N(0, 1), {_BOX}, judged without noise", 1.0),
    "rastrigin": Case(_rastrigin, 0.5, True, "Rastrigin's function, from uniform in [-5.12, 5.12]^20"),
}
"""By name; 20 parameters unless it is said."""
