"""Networks of which a part is frozen: methods move the rest, and unknown coefficients alone if need be."""

import numpy as np
import pytest
from helpers import floats

import bpfree as bf


class Decay(bf.pde.Problem):
    """u = exp(-rate t), with a rate that is known, or looked for."""

    domain = bf.pde.Box(t=(0, 2))
    conditions = [bf.pde.Initial(1.0)]
    rate = 1.0

    def residual(self, u, c):
        return u.t + self.rate * u


class Unknown(Decay):
    rate = bf.pde.Unknown(0.2)


METHODS = [bf.LevenbergMarquardt(), bf.GaussNewton(), bf.LeastSquaresHead(), bf.FirstOrder(), bf.FirstOrder(bf.CGE()),
           bf.StructuredGradient(), bf.Alternate(bf.LeastSquaresHead(), bf.LevenbergMarquardt())]  # fmt: skip


def network():
    layers = [bf.Linear(8), bf.Tanh(), bf.Linear(8), bf.Tanh(), bf.Linear(1)]
    model = bf.Sequential(1, layers, seed=1)
    model.theta += floats(2, model.theta.size, scale=0.3)  # with biases of 0 it is odd, and never 1 at t = 0
    return model


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("frozen", ["linear1.*", "*.bias", "linear3.weight"])
def test_what_is_frozen_stays_and_the_loss_falls(method, frozen):
    start = network().freeze(frozen)
    solution = bf.pde.solve(Decay(), start, method=method, points=30, max_steps=8)
    before, after = start.parameters(), solution.model.parameters()
    head = isinstance(method, bf.LeastSquaresHead)
    for name in before:
        fixed = name in [part.name for part in start.graph.slices if part.frozen] or (head and "linear5" not in name)
        assert np.array_equal(before[name], after[name]) == fixed, name
    assert solution.history.losses[-1] < (1e-3 if head else solution.history.losses[0])  # it needs one step


def test_a_head_that_is_frozen_is_not_solved_for():
    for method in (bf.LeastSquaresHead(), METHODS[-1]):
        with pytest.raises(ValueError, match=r"network: expected a last layer that is trained, .* 'linear5' .* frozen"):
            bf.pde.solve(Decay(), network().freeze("linear5.*"), method=method, points=30, max_steps=3)


def test_coefficients_alone_are_found_in_a_field_that_is_known():
    known = bf.pde.solve(Decay(), network(), points=50, max_steps=60).model.freeze("*")
    for method in (bf.LevenbergMarquardt(), bf.GaussNewton()):
        solution = bf.pde.solve(Unknown(), known, method=method, points=50, max_steps=20)
        assert solution.unknowns["rate"] == pytest.approx(1.0, abs=1e-5)
        assert solution.model.frozen_hash == known.frozen_hash and solution.theta.size == 1
    with pytest.raises(ValueError, match="network: expected trainable parameters, or a problem with unknown"):
        bf.pde.solve(Decay(), known, points=50, max_steps=5)
