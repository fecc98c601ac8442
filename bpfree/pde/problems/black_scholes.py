# SPDX-License-Identifier: MIT
"""Black-Scholes: the price of a European call option."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from bpfree.errors import check_positive
from bpfree.model import Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.tanh import Tanh
from bpfree.ops.tt_linear import TTLinear
from bpfree.pde.conditions import Dirichlet, Terminal
from bpfree.pde.domain import Box
from bpfree.pde.problem import Problem
from bpfree.pde.problems.table import ProblemRow


class BlackScholes(Problem):
    """u_t + s^2/2 x^2 u_xx + r x u_x - r u = 0 on [0, 1]^2, u(x, 1) = max(x - k, 0): a call (Black, Scholes, 1973).

    x = S / 200, u = price / 200 and k = strike / 200, for a stock at S, interest r, volatility s, and one year.
    All conditions are soft: u = 0 at x = 0, and u = 1 - k exp(-r (1 - t)) at x = 1, where the solution is larger
    by 3e-6.

    strike: the strike price. rate: r, per year. volatility: s, per square root of a year.

    >>> round(200 * BlackScholes().reference([[0.5, 0.0]]).item(), 6)  # S = 100, one year before the end
    10.450584
    """

    domain = Box(x=(0, 1), t=(0, 1))
    points = 500
    highest = 200.0
    """Price of the stock at x = 1, by which the option's price is divided to give u."""

    def __init__(self, strike: float = 100.0, rate: float = 0.05, volatility: float = 0.2):
        self.strike, self.rate = check_positive("strike", strike), check_positive("rate", rate)
        self.volatility = check_positive("volatility", volatility)
        self._k = self.strike / self.highest
        self.conditions = (
            Terminal(lambda x: np.maximum(x - self._k, 0.0)),
            Dirichlet("x", 0.0, side="low"),
            Dirichlet("x", lambda t: 1.0 - self._discounted(t), side="high"),
        )
        self.guesses = {**Problem.guesses, "discounted intrinsic value": (self._intrinsic,)}

    def _discounted(self, t):
        return self._k * np.exp(-self.rate * (1.0 - t))

    def _intrinsic(self, c):
        """Return the discounted intrinsic value: every trader knows it, so it is a floor and not an ansatz."""
        return np.maximum(c.x - self._discounted(c.t), 0.0)

    def residual(self, u, c):
        """Return the left side of the equation."""
        diffusion = 0.5 * self.volatility**2 * c.x**2 * u.xx
        return u.t + diffusion + self.rate * (c.x * u.x - u)

    def exact(self, c):
        """Return x N(d1) - k exp(-r tau) N(d2); offsets that vanish elsewhere give the limits at x = 0 and tau = 0."""
        tau = 1.0 - c.t + 1e-30
        spread = self.volatility * np.sqrt(tau)
        d1 = (np.log((c.x + 1e-300) / self._k) + (self.rate + 0.5 * self.volatility**2) * tau) / spread
        return c.x * ndtr(d1) - self._discounted(c.t) * ndtr(d1 - spread)

    def network(self, seed: int = 0):
        """Return a network 2-128-128-1 with tanh whose middle layer is a tensor train of rank 2: 833 parameters."""
        middle = TTLinear((4, 4, 8), (8, 4, 4), rank=2)
        return Sequential(2, [Linear(128), Tanh(), middle, Tanh(), Linear(1)], seed=seed)


ROW = ProblemRow(
    number=0,
    name="black_scholes",
    c="bpfree_residual_black_scholes",
    settings=BlackScholes,
    what="the price of a call option",
    coefficients=lambda problem: (problem.rate, problem.volatility),
)
