"""A rule for derivatives of one's own: a class, without a row of the table."""

from dataclasses import dataclass

import numpy as np
import pytest

import bpfree as bf


@dataclass(frozen=True)
class Central(bf.pde.Rule):
    """Central differences of order 2 on a line, once more."""

    step: float = 2.0**-10
    bias_order = 2

    def along(self, layout, dtype, seed=0, step=0):
        h = self.step
        weights = [[1, 0, 0], [0, 0.5 / h, -0.5 / h], [-2 / h**2, 1 / h**2, 1 / h**2]]
        offsets, count = h * np.array([[0.0], [1.0], [-1.0]]), layout.streams.count
        passes = 3 if count > 1 else 1  # at the boundary only the value is wanted
        return bf.pde.Stencil(layout, offsets[:passes], np.array(weights)[:count, :passes], self)


class Steady(bf.pde.Problem):
    """u_xx = -pi^2 sin(pi x)."""

    domain = bf.pde.Box(x=(0, 1))
    conditions = [bf.pde.Dirichlet("x", 0.0)]

    def residual(self, u, c):
        return u.xx + np.pi**2 * np.sin(np.pi * c.x)


@pytest.mark.parametrize("method", [None, bf.FirstOrder(bf.RGE(8), bf.Adam(1e-3))], ids=["default", "first-order"])
def test_it_solves_to_the_bits_of_the_same_stencil(method):
    own, table = (
        bf.pde.solve(Steady(), rule=rule, points=30, max_steps=30, method=method)
        for rule in (Central(), bf.pde.Differences(order=2, step=2.0**-10))
    )
    assert own.model.hash == table.model.hash and own.history.losses == table.history.losses
    if method is None:
        x = np.linspace(0, 1, 20)[:, None]
        assert np.abs(own.predict(x)[:, 0] - np.sin(np.pi * x[:, 0])).max() < 0.05


def test_a_class_in_the_place_of_an_object_is_refused():
    with pytest.raises(TypeError, match="^rule: expected a rule such as"):
        bf.pde.solve(Steady(), rule=Central, points=30, max_steps=1)
