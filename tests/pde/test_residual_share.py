"""A residual in raw units says little; the summary says its share of the size of the terms beside it."""

import re

import numpy as np

from bpfree.pde import Box, Dirichlet, Problem, solve


class Rod(Problem):
    """A heated rod in metres and watts; its terms are 1e7."""

    domain, points = Box(x=(0, 0.02)), 32
    conditions = [Dirichlet("x", 300.0)]

    def residual(self, u, c):
        return 50.0 * u.xx + 1e7


def test_the_summary_says_the_share_of_the_residual_in_its_terms():
    solution = solve(Rod())
    x = np.linspace(0, 0.02, 40)
    np.testing.assert_allclose(solution.predict(x[:, None])[:, 0], 300 + 1e5 * x * (0.02 - x), rtol=1e-6)
    line = solution.summary().splitlines()[0]
    found = re.fullmatch(r"Rod: residual rms (\S+), (\S+) of the size of its terms", line)
    rms, share = map(float, found.groups())
    assert rms > 0.1
    size = np.sqrt(2) * 1e7  # of 50 u_xx = -1e7 and of the source
    np.testing.assert_allclose(share, rms / size, rtol=0.05)


def test_the_share_of_several_equations_is_that_of_the_worst():
    class Pair(Problem):
        """Two values, the second of which a solve of no steps to speak of does not know."""

        domain, outputs = Box(x=(0, 1)), ("a", "b")

        def residual(self, u, c):
            return u.a - 1, u.b - c.x

    solution = solve(Pair(), points=8, max_steps=1)
    points = solution.residual_points
    a, b = solution.predict(points).T
    rows, values = np.stack([a - 1, b - points[:, 0]]), np.stack([a, b])
    sources = np.stack([np.ones(len(points)), points[:, 0]])
    size = np.sqrt((values**2 + sources**2).mean(axis=1) + 1e-4)  # and the floor, 0.01 of a scale of 1
    share = np.sqrt((rows**2).mean(axis=1)) / size
    assert f"{share.max():.1e} of the size of its terms" in solution.summary()
