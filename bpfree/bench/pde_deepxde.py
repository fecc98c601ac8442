# SPDX-License-Identifier: MIT
"""DeepXDE, a widely used library for PINNs, on two problems, as its own examples solve them: Adam, then L-BFGS.

Its backend is PyTorch in float64, which is set before it is imported; widths and hard conditions are ours. Adam
takes 0.3 of the time, for which a few steps are timed first, and L-BFGS the rest.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings

import numpy as np

PROBE = 20
"""Steps of Adam that are timed."""
SHARE = 0.3
"""Adam's share of the time."""
PIECE = 50
"""Iterations of L-BFGS between two readings of the clock."""


def train(name: str, widths, points: int, seed: int, seconds: float):
    """Solve "burgers" or "heat" in this many seconds of CPU time.

    Returns (function from points (n, 2) to u (n, 1), number of steps).
    """
    os.environ["DDE_BACKEND"] = "pytorch"
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with quiet[0], quiet[1], warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries that it imports warn
        import deepxde

        return _train(deepxde, name, widths, points, seed, seconds)


def _train(dde, name, widths, points, seed, seconds):
    import torch

    dde.config.set_default_float("float64")
    dde.config.set_random_seed(seed)

    def burgers(x, u):
        u_x, u_t = dde.grad.jacobian(u, x, j=0), dde.grad.jacobian(u, x, j=1)
        return u_t + u * u_x - 0.01 / np.pi * dde.grad.hessian(u, x)

    def heat(x, u):
        return dde.grad.jacobian(u, x, j=1) - 0.1 * dde.grad.hessian(u, x)

    equation, low, ansatz = {
        "burgers": (burgers, -1, lambda x, f: -torch.sin(np.pi * x[:, :1]) + x[:, 1:] * (1 - x[:, :1] ** 2) * f),
        "heat": (heat, 0, lambda x, f: torch.sin(np.pi * x[:, :1]) + 4 * x[:, 1:] * x[:, :1] * (1 - x[:, :1]) * f),
    }[name]
    where = dde.geometry.GeometryXTime(dde.geometry.Interval(low, 1), dde.geometry.TimeDomain(0, 1))
    data = dde.data.TimePDE(where, equation, [], num_domain=points, train_distribution="Sobol")
    net = dde.nn.FNN([2, *widths, 1], "tanh", "Glorot normal")
    net.apply_output_transform(ansatz)
    model, began, steps = dde.Model(data, net), time.process_time(), PROBE
    model.compile("adam", lr=3e-3)
    model.train(iterations=PROBE, display_every=10**9, verbose=0)
    more = int(PROBE * (SHARE * seconds / (time.process_time() - began) - 1))
    if more > 0:
        model.train(iterations=more, display_every=10**9, verbose=0)
        steps += more
    dde.optimizers.set_LBFGS_options(maxiter=PIECE, ftol=0, gtol=0)
    while time.process_time() - began < seconds:
        model.compile("L-BFGS")
        model.train(display_every=10**9, verbose=0)
        steps += PIECE
    return model.predict, steps
