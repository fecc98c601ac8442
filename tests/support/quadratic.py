"""A quadratic of three parameters, and ask-and-tell runs on it."""

import numpy as np

import bpfree as bf

A = np.array([[2.0, 0.3, 0.0], [0.3, 1.0, -0.2], [0.0, -0.2, 0.5]])
BEST = np.array([1.0, -2.0, 0.5])


def quadratic(theta):
    """Minimum 0 at BEST; central differences of it are exact."""
    away = theta.reshape(-1) - BEST
    return 0.5 * away @ A @ away


def measured(ask, points):
    return [quadratic(point) for point in points]


def run(estimator=None, theta0=(0.0, 0.0, 0.0), measure=measured, **settings):
    """An AskTell on the quadratic, told everything until it ends."""
    ask = (estimator or bf.RGE(n_queries=4)).start(theta0, **{"max_steps": 20, **settings})
    for points in ask:
        ask.tell(measure(ask, points))
    return ask
