"""Methods on residual vectors: damped least squares, steps and their cost."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from scipy import linalg

import bpfree as bf
from bpfree.pde.damped import Damped
from bpfree.pde.methods import METHODS
from bpfree.pde.network import Network
from bpfree.pde.objective import Objective
from bpfree.registry import HostOnly

SETTINGS = {
    "levenberg_marquardt": [
        bf.LevenbergMarquardt(),
        bf.LevenbergMarquardt(damping=1.0, tries=3, accelerated=False, route="black_box"),
    ],
    "gauss_newton": [
        bf.GaussNewton(cutoff=1e-5),
        bf.GaussNewton(cutoff=1e-4, halvings=12, route="black_box_two_sided"),
    ],
    "least_squares_head": [bf.LeastSquaresHead()],
    "alternate": [bf.Alternate(bf.LeastSquaresHead(), bf.LevenbergMarquardt(), (1, 3))],
    "first_order": [
        bf.FirstOrder(update=bf.Adam(1e-2)),
        bf.FirstOrder(bf.CGE(fraction=0.2, mu=1e-4), bf.Adam(1e-2)),
        bf.FirstOrder(bf.RGE(n_queries=4, mu=1e-4, grouping="layer"), bf.Adam(1e-2)),
        bf.FirstOrder(bf.RGE(n_queries=8, mu=1e-4, direction="hadamard"), bf.Adam(1e-2)),
        bf.FirstOrder(bf.RGE(n_queries=8, mu=1e-4, combine="least_squares"), bf.SGD(1e-3)),
        bf.FirstOrder(bf.Hybrid(20, mu=1e-4), bf.Adam(1e-2)),
        bf.FirstOrder(bf.CoordinateDescent(0.3, mu=1e-2), bf.SGD(1.0)),
    ],
    "structured_gradient": [bf.StructuredGradient(bf.Adam(1e-2))],
}
"""The settings to try, by row of the table."""


class Wave(bf.pde.Problem):
    """u'' + u = 0 with soft conditions u(0) = 0 and u(2) = sin 2, whose solution is sin x."""

    domain = bf.pde.Box(x=(0, 2))
    points = 20

    def residual(self, u, c):
        return u.xx + u

    conditions = (
        bf.pde.Dirichlet("x", 0.0, side="low", weight=3.0),
        bf.pde.Dirichlet("x", float(np.sin(2)), side="high"),
    )

    def exact(self, c):
        return np.sin(c.x)

    def network(self, seed=0):
        return bf.Sequential(1, [bf.Linear(7), bf.Tanh(), bf.Linear(1)], seed=seed)


def objective(problem=None, rule=None, **settings):
    problem = problem or Wave()
    model = problem.network()
    made = Objective(
        problem, Network(model.graph, model.frozen), rule or bf.pde.Taylor(), {"residual": 20} | {
            term.name: 3 for term in problem.terms()[1:]
        }, **settings,
    )  # fmt: skip
    return made, np.concatenate([model.theta.astype(float), list(problem.unknowns.values())])


def test_every_row_has_settings_to_try():
    assert set(SETTINGS) == {row.name for row in METHODS}
    for row in METHODS:
        assert all(METHODS.of(settings) is row for settings in SETTINGS[row.name])
        assert isinstance(row.c, HostOnly) and row.c.reason and row.what
        assert row.tier in ("black-box", "layer-access", "closed-form")


@pytest.mark.parametrize("method", [one for rows in SETTINGS.values() for one in rows], ids=repr)
def test_every_method_lowers_the_loss_and_says_what_it_costs(method):
    made, theta = objective()
    iteration, first = method.start(made), None
    for step in range(12):
        before, likely = made.forwards, iteration.cost(step)
        moved = iteration.step(theta, step)
        if moved.code == "stalled":
            break
        assert moved.code is None, moved.advice
        spent = made.forwards - before
        assert 0 < spent <= 12 * likely and likely <= 2.5 * spent
        first, theta = first if first is not None else moved.loss, moved.theta
        if moved.r is not None and isinstance(method, bf.LevenbergMarquardt | bf.GaussNewton):
            np.testing.assert_array_equal(moved.r, made.at(step)(theta))
    r = made.at(0)(theta)
    start = made.at(0)(objective()[1])
    assert r @ r < 0.9 * (start @ start)


@pytest.mark.parametrize("shape", [(30, 12), (12, 30)])
def test_damped_least_squares_are_those_of_scipy(shape):
    random = np.random.default_rng(3)
    left, _, right = linalg.svd(random.standard_normal(shape), full_matrices=False)
    jacobian = left * np.logspace(0, -7, min(shape)) @ right  # J^T J has a condition number of 1e14
    r = random.standard_normal(shape[0])
    damped = Damped(r, jacobian)
    for lam in (1.0, 1e-6, 1e-10):
        whole = np.concatenate([jacobian, np.sqrt(lam) * np.eye(shape[1])])
        wanted = linalg.lstsq(whole, -np.concatenate([r, np.zeros(shape[1])]))[0]
        assert damped.factorise(lam)
        found = damped.solve()
        assert np.linalg.norm(found - wanted) < 2e-7 * np.linalg.norm(wanted)
        np.testing.assert_allclose(damped.solve(2 * r), 2 * found, rtol=1e-6)
    products = Damped(r, gram=jacobian.T @ jacobian, gradient=jacobian.T @ r)
    assert products.factorise(1.0) and damped.factorise(1.0)
    np.testing.assert_allclose(products.solve(), damped.solve(), rtol=1e-9)
    assert not Damped(np.ones(2), np.zeros((2, 3))).factorise(0.0)


@pytest.mark.parametrize("method", [bf.LevenbergMarquardt(), bf.LevenbergMarquardt(accelerated=False, scaled=False)])
def test_levenberg_marquardt_goes_to_a_minimum(method):
    from scipy.optimize import least_squares

    class Narrow(Wave):
        def network(self, seed=0):
            return bf.Sequential(1, [bf.Linear(1), bf.Tanh(), bf.Linear(1)], seed=seed)  # too few units to be exact

    made, theta = objective(Narrow())
    residuals, iteration = made.at(0), method.start(made)
    for step in range(200):
        moved = iteration.step(theta, step)
        if moved.code:
            break
        theta = moved.theta
    found = least_squares(residuals, theta, jac=lambda t: made.jacobian(0).dense(t)[1], max_nfev=200)
    assert 1e-6 < residuals(theta) @ residuals(theta) < 1.01 * (found.fun @ found.fun)


def test_a_refused_step_costs_no_second_jacobian():
    made, theta = objective()
    iteration = bf.LevenbergMarquardt(damping=1e-14, tries=40).start(made)
    before, calls = made.at(0).passes, []
    jacobian = made.jacobian(0)
    dense = jacobian.dense
    jacobian.dense = lambda theta: calls.append(1) or dense(theta)
    for step in range(5):
        theta = iteration.step(theta, step).theta
    assert len(calls) == 5 and before


def test_a_linear_head_is_solved_in_one_step_to_the_last_digits():
    made, theta = objective()
    iteration = bf.LeastSquaresHead().start(made)
    moved = iteration.step(theta, 0)
    jacobian = made.jacobian(0, head_only=True)
    r, columns = jacobian.dense(theta)
    delta = linalg.lstsq(columns, -r)[0]
    wanted = np.linalg.norm(r + columns @ delta) ** 2
    assert moved.loss == pytest.approx(wanted, rel=1e-6, abs=1e-20)
    changed = np.flatnonzero(moved.theta != theta)
    assert set(changed) <= set(jacobian.columns.tolist()) and changed.size
    assert iteration.step(moved.theta, 1).code == "stalled" or iteration.step(moved.theta, 1).loss > 0.99 * moved.loss


def test_alternate_takes_turns():
    method = bf.Alternate(bf.LeastSquaresHead(), bf.LevenbergMarquardt(), turns=(1, 3))
    iteration = method.start(objective()[0])
    assert [iteration.turn(step) for step in range(9)] == [0, 1, 1, 1, 0, 1, 1, 1, 0]
    assert method.tier == "closed-form + layer-access"
    with pytest.raises(TypeError, match=r"second: expected a method such as LevenbergMarquardt\(\), got 3"):
        bf.Alternate(bf.LeastSquaresHead(), 3)


def test_the_structured_gradient_is_that_of_autograd():
    made, theta = objective()
    parts = made.at(0).parts

    def u(t, x):
        w1, b1, w2, b2 = t[:7], t[7:14], t[14:21], t[21]
        return anp.dot(anp.tanh(anp.outer(x, w1) + b1), w2) + b2

    def loss(t):
        inside, low, high = (part.points[:, 0] for part in parts)
        slope = grad(lambda x: anp.sum(u(t, x)))
        one = grad(lambda x: anp.sum(slope(x)))
        terms = (one(inside) + u(t, inside), np.sqrt(3.0) * u(t, low), u(t, high) - np.sin(2))
        return sum(anp.mean(one**2) for one in terms)

    iteration = bf.StructuredGradient(bf.SGD(1e-3)).start(made)
    moved = iteration.step(theta, 0)
    np.testing.assert_allclose((theta - moved.theta) / 1e-3, grad(loss)(theta), rtol=1e-7, atol=1e-9)


def test_estimates_take_differences_row_by_row_at_the_same_points():
    made, theta = objective(rule=bf.pde.Stein(n=4, sigma=0.3))
    graph = made.parameters()
    method = bf.FirstOrder(bf.RGE(n_queries=1, mu=1e-4), bf.SGD(1.0))
    moved = method.start(made).step(theta, 0)
    from bpfree.engines.probes import perturb

    residuals = made.at(0)
    plus, minus = (perturb(graph, theta, probe) for probe in method.estimator.ask(graph, 0, 0))
    slope = (residuals(plus) @ residuals(plus) - residuals(minus) @ residuals(minus)) / (2 * np.float32(1e-4))
    direction = (plus - theta) / np.float32(1e-4)
    np.testing.assert_allclose(theta - moved.theta, slope * direction, rtol=1e-5)


def test_groups_are_the_layers_of_the_network():
    class Searching(Wave):
        k = bf.pde.Unknown(0.5)

    made, theta = objective(Searching())
    graph = made.parameters()
    assert graph.n_theta == theta.size
    names = [[part.name for part in graph.slices if part.offset in group] for group in graph.groups("layer")]
    assert names == [["linear1.weight", "linear1.bias"], ["linear3.weight", "linear3.bias"], ["unknowns"]]


def test_points_are_new_when_they_should_be():
    made, theta = objective(resample_every=2)
    first = made.at(0)
    first(theta)
    assert made.at(1) is first and made.at(2) is not first and not made.fixed
    assert not np.array_equal(made.at(2).parts[0].points, first.parts[0].points)
    made.at(2)(theta)
    assert made.forwards == first.passes + made.at(2).passes
    assert objective()[0].fixed
    random, theta = objective(bf.pde.HJBLQG(dim=3), rule=bf.pde.RandomDirections(n=2))
    a, b = random.at(0), random.at(1)
    assert not random.fixed and np.array_equal(a.parts[0].points, b.parts[0].points)
    assert not np.array_equal(a.stencils[0].layout.streams.directions, b.stencils[0].layout.streams.directions)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bf.LevenbergMarquardt(damping=0), ValueError, "damping: expected"),
        (lambda: bf.LevenbergMarquardt(tries=0), ValueError, "tries: expected"),
        (lambda: bf.LevenbergMarquardt(route="back"), ValueError, "route: expected one of None, 'structured'"),
        (lambda: bf.GaussNewton(cutoff=2), ValueError, "cutoff: expected"),
        (lambda: bf.LeastSquaresHead(halvings=-1), ValueError, "halvings: expected"),
        (lambda: bf.FirstOrder(bf.UnitWise()), ValueError, "estimator: expected one that looks at losses only"),
        (lambda: bf.FirstOrder(bf.CoordinateDescent(), bf.Adam()), ValueError, "write update=bf.SGD"),
        (lambda: bf.StructuredGradient(bf.Normalize()), ValueError, "update: expected one that needs no record"),
    ],
)
def test_settings_are_checked(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_numbers_that_are_not_finite_move_nothing():
    made, theta = objective()
    for name, (method, *_) in SETTINGS.items():
        if name == "alternate":
            continue
        broken = theta.copy()
        broken[-1] = np.nan
        moved = method.start(made).step(broken, 0)
        assert moved.code == "nonfinite_loss" and moved.theta is broken and "not finite" in moved.advice
