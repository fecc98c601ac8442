# SPDX-License-Identifier: MIT
"""HJB-LQG: the Hamilton-Jacobi-Bellman equation of a linear system with a quadratic cost of control."""

from __future__ import annotations

from math import lgamma, log

import numpy as np
from scipy.special import roots_genlaguerre

from bpfree.errors import check_count, check_positive
from bpfree.graph.layers import Residual
from bpfree.model import Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.square import Square
from bpfree.ops.tanh import Tanh
from bpfree.pde.conditions import Terminal
from bpfree.pde.domain import Box, Normal
from bpfree.pde.problem import Problem
from bpfree.pde.problems.table import ProblemRow, norm_square
from bpfree.pde.samplers import interior

NODES, FEW = (128, 32), 20
"""Numbers of nodes of the quadrature below dimension FEW and from there on: errors are about 1e-11 at m = 1, and 1e-10
at m = 2."""


class HJBLQG(Problem):
    """u_t + Lap u - m |grad u|^2 = 0 for x in R^D, t in [0, 1], u(x, 1) = log((1 + |x|^2) / 2); x ~ N(0, 1).

    This is the benchmark of Han, Jentzen, E (PNAS 2018). Differs from the paper in: 1. u is sought in a whole region
    instead of at one point. The ansatz u = log((1 + |x|^2) / 2) + (1 - t) f satisfies the terminal condition; the
    network has the inputs x and t only. By the Hopf-Cole transform, u is a mean over Brownian motion, which is a
    one-dimensional integral for every D:

        u = -1/m log( 2^m / Gamma(m) int_0^inf s^(m-1) e^-s (1 + 2 s v)^(-D/2) exp(-s |x|^2 / (1 + 2 s v)) ds )
        v = 2 (1 - t)

    It is computed by generalised Gauss-Laguerre quadrature in y = s (1 + D v + |x|^2).

    dim: number of dimensions D. m: the strength of the control.

    >>> import numpy as np
    >>> round(HJBLQG(dim=100).reference(np.zeros((1, 101))).item(), 12)
    4.590161724605
    """

    def __init__(self, dim: int = 20, m: float = 1.0):
        self.dim, self.m = check_count("dim", dim), check_positive("m", m)
        self.domain = Box(x=Normal(self.dim), t=(0, 1))
        self.conditions = (Terminal(lambda x: np.log((1.0 + norm_square(x)) * 0.5), hard=True),)
        line = (lambda c: 1.0, lambda c: c.t)
        self.guesses = {
            **Problem.guesses,
            "best a + b t": line,
            "best a + b t + c |x|^2": (*line, lambda c: norm_square(c.x)),
        }

    def residual(self, u, c):
        """Return u_t + Lap u - m |grad u|^2."""
        return u.t + u.laplacian("x") - self.m * u.grad_square("x")

    def exact(self, c):
        """Return the integral by quadrature."""
        y, weights = roots_genlaguerre(NODES[self.dim >= FEW], self.m - 1.0)
        square, v = norm_square(c.x), 2.0 * (1.0 - c.t)
        scale, total = 1.0 + self.dim * v + square, 0.0
        for node, weight in zip(y.tolist(), weights.tolist()):
            s = node / scale
            spread = 1.0 + 2.0 * s * v
            exponent = node - s - 0.5 * self.dim * np.log(spread) - s * square / spread
            total = total + weight * np.exp(exponent)
        return np.log(scale) - (np.log(total) - lgamma(self.m)) * (1.0 / self.m) - log(2.0)

    def _inside(self, n, sampler, seed):
        """Return points x ~ N(0, 1 + 2 (t - s)) at t: where Brownian motion is that starts at s, uniform in [0, t].

        u at a point is a mean over such paths, so the equation has to hold along them. With x ~ N(0, 1) at every t,
        the residual becomes small at these points, but the error of u is 2e-2 at D = 100.
        """
        points = interior(Box(**self.domain.coordinates, share=(0, 1)), n, sampler, seed)
        t, share = points[:, -2], points[:, -1]
        points[:, : self.dim] *= np.sqrt(1.0 + 2.0 * t * share)[:, None]
        return points[:, :-1]

    def network(self, seed: int = 0):
        """Return a network of x + P Q x^2, with squares of each input, and two layers of 8 tanh.

        It has 364 parameters at D = 20 and 1,404 at D = 100. Besides t, u depends on |x|^2 only, which a few tanh of
        linear combinations cannot form in many dimensions: fitted to the solution itself at 2,000 points, a network
        21-24-24-1 with tanh (1,153 parameters) has an error of 5e-2 at other points, and this one 2e-3.
        """
        squares = Residual(Square(), Linear(2), Linear(self.dim + 1))
        return Sequential(self.dim + 1, [squares, Linear(8), Tanh(), Linear(8), Tanh(), Linear(1)], seed=seed)


ROW = ProblemRow(
    number=2,
    name="hjb_lqg",
    c="bpfree_residual_hjb_lqg",
    settings=HJBLQG,
    what="optimal control with quadratic costs, any dimension",
    coefficients=lambda problem: (problem.m, 0.0, 1.0),
)
