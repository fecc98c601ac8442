"""The model of a solution: in float64, with its unknowns, and where another solve goes on."""

import numpy as np
import pytest

import bpfree as bf
from bpfree.pde import solve

TIMES = np.linspace(0, 1, 20)[:, None]


class Decay(bf.pde.Problem):
    """u' = -rate u with an unknown rate, and values of e^-t."""

    domain, points, rate = bf.pde.Box(t=(0, 1)), 16, bf.pde.Unknown(0.3)
    conditions = (bf.pde.Observed(TIMES, np.exp(-TIMES[:, 0])),)

    def residual(self, u, c):
        return u.t + self.rate * u

    def network(self, seed=0):
        return bf.Sequential(1, [bf.Linear(6), bf.Tanh(), bf.Linear(1)], seed=seed)


def test_it_predicts_what_the_solution_predicts():
    solution = solve(Decay(), max_steps=30)
    model = solution.model
    np.testing.assert_allclose(model.predict(TIMES), solution.predict(TIMES), rtol=0, atol=1e-15)
    assert model.theta.dtype == np.float32 and model.predict(TIMES).dtype == np.float64
    single = model.predict(TIMES, "exact")
    assert single.dtype == np.float32 and 0 < np.abs(single - solution.predict(TIMES)).max() < 1e-6
    assert model.unknowns == solution.unknowns and model.unknowns["rate"] == pytest.approx(1.0, abs=1e-3)
    assert model.hash == bf.theta_hash(solution.theta[:-1].astype(np.float32))


def test_another_solve_goes_on_exactly():
    whole = solve(Decay(), max_steps=12, method=bf.FirstOrder(bf.CGE(), bf.SGD(1e-3)))
    half = solve(Decay(), max_steps=6, method=bf.FirstOrder(bf.CGE(), bf.SGD(1e-3)))
    again = solve(Decay(), half.model, max_steps=6, method=bf.FirstOrder(bf.CGE(), bf.SGD(1e-3)))
    np.testing.assert_array_equal(again.theta, whole.theta)
    assert again.history.losses == whole.history.losses[6:]
    bound = solve(Decay().bind([0.25]), half.model, max_steps=1)
    assert bound.history.looks[0].loss != again.history.looks[0].loss
    assert solve(Decay(), half.model, max_steps=1).history.looks[0].loss == half.history.looks[-1].loss


def test_changes_of_theta_count():
    solution = solve(Decay(), max_steps=3)
    model = solution.model
    model.theta[-1] += 0.5
    np.testing.assert_allclose(model.predict(TIMES), solution.predict(TIMES) + 0.5, atol=1e-6)
    shifted = solve(Decay(), model, max_steps=1).history.looks[0]
    assert shifted.terms["observed"] > 0.1


def test_a_network_within_hard_conditions_says_that_it_is_not_u(tmp_path):
    solution = solve(bf.pde.Poisson(dim=1), points=8, max_steps=1)
    with pytest.warns(UserWarning, match=r"model.predict: expected solution.predict, which is u .* network f alone"):
        found = solution.model.predict([[0.25]])
    assert solution.predict([[0.25]]).item() == pytest.approx(4 * 0.25 * 0.75 * found.item())
    solution.model.save(tmp_path / "m.npz")
    assert bf.Model.load(tmp_path / "m.npz").hash == solution.model.hash
