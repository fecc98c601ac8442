"""Solving as a whole: limits, outcomes, looks, wrong arguments, saved solutions."""

import json
import zipfile

import numpy as np
import pytest

import bpfree as bf
from bpfree.errors import FormatError
from bpfree.pde import Solution, solve
from bpfree.pde.history import OUTCOMES


class Decay(bf.pde.Problem):
    """u' = -u with the hard condition u(0) = 1."""

    domain = bf.pde.Box(t=(0, 1))
    points = 16
    conditions = (bf.pde.Initial(1.0, hard=True),)

    def residual(self, u, c):
        return u.t + u

    def exact(self, c):
        return np.exp(-c.t)

    def network(self, seed=0):
        return bf.Sequential(1, [bf.Linear(6), bf.Tanh(), bf.Linear(1)], seed=seed)


class Ring(bf.pde.Problem):
    """u'' = 1 with the soft condition u = 0 at both ends."""

    domain = bf.pde.Box(x=(0, 1))
    conditions = (bf.pde.Dirichlet("x", 0.0),)

    def residual(self, u, c):
        return u.xx - 1.0


class Searched(Decay):
    """u' = -rate u with an unknown rate and measured values."""

    rate = bf.pde.Unknown(0.3)
    truth = {"rate": 1.0}
    at = np.array([[0.2], [0.5], [1.0]])
    conditions = (bf.pde.Initial(1.0, hard=True), bf.pde.Observed(at, np.exp(-at[:, 0])))

    def residual(self, u, c):
        return u.t + self.rate * u


def test_a_solution_is_a_function_with_errors():
    solution = solve(Decay(), max_steps=40)
    points = np.linspace(0, 1, 7)[:, None]
    off = solution.predict(points)[:, 0] - np.exp(-points[:, 0])
    assert np.abs(off).max() < 1e-4 and solution.predict([[0.0]]).item() == pytest.approx(1.0, abs=1e-12)
    exact = np.exp(-points[:, 0])
    assert solution.error("relative_l2", points) == pytest.approx(np.linalg.norm(off) / np.linalg.norm(exact), rel=1e-9)
    assert solution.error("relative_l1", points) == pytest.approx(np.abs(off).sum() / exact.sum(), rel=1e-9)
    assert solution.error("max", points) == pytest.approx(np.abs(off).max(), rel=1e-9)
    h = 1e-4
    sides = [solution.predict(points[1:-1] + shift)[:, 0] for shift in (-h, h)]
    residual = (sides[1] - sides[0]) / (2 * h) + solution.predict(points[1:-1])[:, 0]
    rms = solution.error("residual_rms", points[1:-1])
    assert rms == pytest.approx(np.sqrt((residual**2).mean()), rel=1e-2, abs=1e-8)
    with pytest.raises(ValueError, match="metric: expected one of 'relative_l2'"):
        solution.error("l2")


def test_derivatives_of_a_solution_are_those_of_what_it_predicts():
    solution, h = solve(bf.pde.Acoustics(), points=32, max_steps=4), 1e-4
    points = np.random.default_rng(0).random((9, 2)) * 0.9 + 0.05
    found = solution.evaluate(lambda u, c: (u.p, u.v.t, u.p.xx, c.x * u.p.x), points)
    low, middle, high = (solution.predict(points + shift * np.array([h, 0])) for shift in (-1, 0, 1))
    later, sooner = (solution.predict(points + shift * np.array([0, h])) for shift in (1, -1))
    slope, one = (high - low)[:, 0] / (2 * h), (high - 2 * middle + low)[:, 0] / h**2
    wanted = [middle[:, 0], (later - sooner)[:, 1] / (2 * h), one, points[:, 0] * slope]
    np.testing.assert_allclose(found, np.stack(wanted, axis=1), rtol=1e-5, atol=1e-6)
    assert solution.evaluate(lambda u, c: u.p.t, points).shape == (9,)


@pytest.mark.parametrize(
    ("points", "message"),
    [([0.5], r"points: expected shape \(n, 1\), got \(1"), ([[1.5]], r"points: expected t in \[0, 1\], got \[1.5\]")],
)
def test_points_to_predict_at_are_checked(points, message):
    solution = solve(Decay(), max_steps=1)
    for ask in (solution.predict, lambda points: solution.evaluate(lambda u, c: u.t, points)):
        with pytest.raises(ValueError, match=f"^{message}"):
            ask(points)
    with pytest.raises(ValueError, match="formula: expected one number per point"):
        solution.evaluate(lambda u, c: 1.0, [[0.5]])


def test_derivatives_of_a_solution_by_another_rule():
    solution, h, points = solve(Ring(), points=16, max_steps=3), 0.1, np.array([[0.2], [0.5], [0.7]])
    low, middle, high = (solution.predict(points + shift)[:, 0] for shift in (-h, 0, h))
    found = solution.evaluate(lambda u, c: u.xx, points, bf.pde.Differences(step=h))
    np.testing.assert_allclose(found, (high - 2 * middle + low) / h**2, rtol=1e-10)
    assert np.abs(found - solution.evaluate(lambda u, c: u.xx, points)).max() > 1e-6


def test_an_unknown_is_found():
    solution = solve(Searched(), max_steps=40)
    assert solution.unknowns["rate"] == pytest.approx(1.0, abs=1e-3)
    assert solution.problem.rate == solution.unknowns["rate"] and solution.asked.rate == 0.3
    assert "rate = 1" in solution.summary() and "(truth 1)" in solution.summary()


def test_the_history_says_what_happened():
    solution = solve(Decay(), max_steps=10, look_every=3, test_points=np.linspace(0, 1, 50)[:, None])
    h = solution.history
    assert h.steps == 10 == len(h.losses) and [look.step for look in h.looks] == [0, 3, 6, 9, 10]
    assert h.looks[1].loss == h.losses[2] and h.losses == sorted(h.losses, reverse=True)
    assert all(sum(look.terms.values()) == pytest.approx(look.loss) for look in h.looks)
    assert [look.forwards for look in h.looks] == sorted(look.forwards for look in h.looks)
    assert h.looks[-1].error == solution.error() < h.looks[0].error
    summary = solution.summary()
    for text in ("relative l2", "floors: ", "forwards", "steps 10", "Marquardt (layer-access)", "outcome: done"):
        assert text in summary


def test_the_same_seed_is_the_same_run():
    one, two, other = (solve(Decay(), max_steps=5, seed=seed, resample_every=2) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.theta, two.theta)
    assert not np.array_equal(one.theta, other.theta)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"max_steps": 3}, "done"),
        ({"max_forwards": 3000}, "budget"),
        ({"max_seconds": 1e-9}, "time"),
        ({"max_steps": 99, "tolerance": 1e-3}, "tolerance"),
        ({"callbacks": lambda step, history: step < 2}, "callback"),
        ({"method": bf.LeastSquaresHead()}, "stalled"),
        ({"method": bf.StructuredGradient(bf.SGD(1e38)), "max_steps": 9}, "nonfinite_loss"),
        ({"method": bf.FirstOrder(bf.RGE(mu=1e-30)), "max_steps": 200}, "mu_too_small"),
    ],
)
def test_outcomes(settings, code):
    solution = solve(Decay(), **settings)
    assert solution.outcome_code == code and code in OUTCOMES
    assert np.isfinite(solution.theta).all() and np.isfinite(solution.error())
    if code == "budget":
        assert 0 < solution.history.forwards <= 3000
    if code == "tolerance":
        assert solution.history.losses[-1] <= 1e-3 < solution.history.losses[-2]


def test_a_residual_that_is_not_finite_names_its_term_and_place():
    class Odd(Decay):
        conditions = (bf.pde.Initial(1.0), bf.pde.Terminal(float(np.exp(-1))))

        def residual(self, u, c):
            return u.t + u * np.sqrt(0.5 - c.t)

    with np.errstate(all="ignore"):
        solution = solve(Odd(), max_steps=5)
    assert solution.outcome_code == "nonfinite_loss" and solution.steps == 0
    assert "term 'residual' is not finite at 8 of 16 points, first t=[" in solution.outcome


def test_the_best_step_is_kept_where_points_stay():
    method = bf.FirstOrder(bf.RGE(n_queries=1, mu=1e-3), bf.SGD(0.3))  # too long steps: the loss goes up and down
    solution = solve(Decay(), method=method, max_steps=40, look_every=1)
    losses = [look.loss for look in solution.history.looks]
    assert losses[-1] > min(losses)
    r = bf.pde.residuals.Residuals(
        Decay(), bf.pde.network.Network(solution.graph, solution.frozen), bf.pde.Taylor(),
        {"residual": Decay().terms()[0].sample(16, "sobol", 0)},
    )(solution.theta)  # fmt: skip
    assert r @ r == pytest.approx(min(losses))


def test_precision_is_refused_and_explained():
    with pytest.raises(ValueError, match=r"rule: expected rounding errors of at most 0.001 in float32"):
        solve(Decay(), engine="reference", rule=bf.pde.Differences(step=2e-5), max_steps=1)
    solution = solve(Decay(), engine="reference", max_steps=8)
    assert type(solution.method) is bf.LevenbergMarquardt and solution.error() < 1e-2
    wide = bf.Sequential(1, [bf.Linear(2000), bf.Tanh(), bf.Linear(1)])
    assert type(bf.pde.explain(Decay(), wide, engine="reference").method) is bf.FirstOrder


def test_a_black_box_engine_needs_values_only():
    class Box:
        """An engine with nothing but predict."""

        def __init__(self):
            self.inner, self.dtype = bf.ReferenceEngine(dtype=np.float64), np.dtype(np.float64)

        def predict(self, *given):
            return self.inner.predict(*given)

        def evaluate(self, *given):
            raise NotImplementedError

    solution = solve(Decay(), engine=Box(), max_steps=8)
    assert type(solution.rule) is bf.pde.Differences and type(solution.method) is bf.LevenbergMarquardt
    assert solution.error() < 1e-3
    structured = solve(Decay(), max_steps=8)
    assert solution.history.forwards > 1.5 * structured.history.forwards


def test_explain_tells_costs_and_reasons():
    found = bf.pde.explain(bf.pde.HJBLQG(dim=20))
    rows = {row.name: row for row in found.rules}
    assert rows["taylor"].passes == 23 and rows["sparse_grid"].passes == 925
    assert rows["sparse_grid"].floor32 > rows["differences"].floor32 > rows["taylor"].floor32 == np.finfo("f4").eps
    assert rows["differences"].floor64 > rows["sparse_grid"].floor64, "each with the default step of its precision"
    tiny = bf.pde.explain(Ring(), rules={"tiny": bf.pde.Differences(step=1e-6)}).rules[0]
    assert tiny.floor32 == np.inf and 0 < tiny.floor64 < 1e-3 and not tiny.error
    assert type(found.method) is bf.LevenbergMarquardt and "taylor" in str(found)
    wide = bf.Sequential(1, [bf.Linear(2000), bf.Tanh(), bf.Linear(1)])
    assert type(bf.pde.explain(Decay(), wide).method) is bf.StructuredGradient
    refused = bf.pde.explain(Decay(), rules={"small": bf.pde.Differences(step=1e-30)})
    assert "step" in refused.rules[0].error and refused.rules[0].error in str(refused)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"problem": bf.pde.Heat}, TypeError, "problem: expected a problem such as"),
        ({"network": 3}, TypeError, "network: expected a Model"),
        ({"network": bf.Sequential(2, [bf.Linear(1)])}, ValueError, r"network: expected 1 inputs \(t\) and 1 outputs"),
        ({"rule": "taylor"}, TypeError, "rule: expected a rule such as"),
        ({"method": bf.RGE()}, TypeError, "method: expected a method such as"),
        ({"points": 0}, ValueError, "points: expected an integer >= 1"),
        ({"points": [[0.5], [1.5]]}, ValueError, r"points of residual: expected t in \[0, 1\], got \[1.5\]"),
        ({"points": [1, 2]}, ValueError, r"points of residual: expected shape \(n, 1\), got \(2,\)"),
        ({"test_points": [[2.0]]}, ValueError, r"test_points: expected t in \[0, 1\], got \[2.0\]"),
        ({"points": {"edge": 3}}, ValueError, "points: expected terms among residual, got 'edge'"),
        ({"sampler": "grid"}, ValueError, "sampler: expected one of"),
        ({"resample_every": -1}, ValueError, "resample_every: expected"),
        ({"max_forwards": 0}, ValueError, "max_forwards: expected"),
        ({"callbacks": 3}, TypeError, "callbacks: expected a function"),
        ({"seed": -1}, ValueError, "seed: expected"),
    ],
)
def test_arguments_are_checked(settings, error, message):
    settings = {"problem": Decay(), "max_steps": 1, **settings}
    with pytest.raises(error, match=message):
        solve(settings.pop("problem"), **settings)


def test_points_of_terms_by_share_and_by_name():
    assert solve(Searched(), max_steps=1).points == {"residual": 16, "observed": 3}, "all that was observed"
    assert solve(Searched(), max_steps=1, points={"residual": 5}).points["residual"] == 5
    assert solve(Ring(), max_steps=1, points=40).points == {"residual": 40, "dirichlet_x": 4}


def test_points_of_ones_own():
    """Given points stay the same: those of the sampler give the same run, others another one."""
    own = Decay().terms()[0].sample(16, "sobol", 0)
    there = solve(Decay(), max_steps=3)
    for points in (own, own.tolist(), {"residual": own}):
        mine = solve(Decay(), max_steps=3, points=points)
        np.testing.assert_array_equal(mine.theta, there.theta)
        assert mine.points == {"residual": 16} and mine.history.losses == there.history.losses
    assert solve(Decay(), max_steps=3, points=own[:15]).history.losses != there.history.losses
    edge = np.array([[0.0], [1.0]])
    assert solve(Ring(), max_steps=1, points={"dirichlet_x": edge}).points == {"residual": 1000, "dirichlet_x": 2}
    high = bf.pde.HJBLQG(dim=4)
    losses = solve(high, max_steps=6, points=high.test_points(60), max_seconds=20).history.losses
    assert losses == sorted(losses, reverse=True), "given points are not drawn again"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"exact": lambda self, c: np.exp(-c.t)[:, None]}, r"exact: expected one number per .* got shape \(9, 1\)"),
        ({"reference": lambda self, points: points[:, 0]}, r"reference: expected shape \(9, 1\) at 9 .*, got \(9,\)"),
    ],
)
def test_a_reference_of_another_shape_is_refused(more, message):
    with pytest.raises(ValueError, match=message):
        solve(type("Wrong", (Decay,), more)(), max_steps=1, test_points=np.linspace(0, 1, 9)[:, None])


def test_too_few_points_are_said():
    few = solve(Decay(), max_steps=40, points=np.array([[0.0], [0.3], [0.5]]))
    assert few.outcome_code == "underdetermined" and few.outcome in few.summary()
    assert few.error("residual_rms") > 30 * np.sqrt(few.history.looks[-1].terms["residual"])
    assert solve(Decay(), max_steps=10, points=64).outcome_code == "done"


def test_a_network_without_second_derivatives_is_a_warning():
    flat = bf.Sequential(1, [bf.Linear(4), bf.ReLU(), bf.Linear(1)])
    with pytest.warns(UserWarning, match="network: expected a smooth activation.*got linear, relu, whose") as seen:
        solve(Ring(), flat, points=8, max_steps=1)
    assert [one.filename for one in seen] == [__file__]
    solve(Decay(), flat, max_steps=1)  # the first derivatives of this network are not all 0


def test_a_saved_solution_is_the_same_function(tmp_path):
    solution = solve(bf.pde.InverseHeat(measurements=20), points=32, max_steps=4)
    solution.save(tmp_path / "s.npz")
    again = Solution.load(tmp_path / "s.npz")
    points = again.asked.test_points(100)
    np.testing.assert_array_equal(again.predict(points), solution.predict(points))
    assert again.unknowns == solution.unknowns and again.asked.measurements == 20
    assert again.history == solution.history and again.points == solution.points
    assert again.error() == solution.error() and "outcome: done" in again.summary()


def test_a_problem_of_ones_own_is_given_again(tmp_path):
    solution = solve(Decay(), max_steps=2)
    solution.save(tmp_path / "s.npz")
    assert Solution.load(tmp_path / "s.npz", Decay()).error() == solution.error()
    with pytest.raises(ValueError, match=r"problem: expected Decay\(...\), as it is not one of the library's"):
        Solution.load(tmp_path / "s.npz")
    with pytest.raises(ValueError, match="problem: expected Decay with unknowns"):
        Solution.load(tmp_path / "s.npz", bf.pde.Heat())


def test_files_that_are_something_else_are_refused(tmp_path):
    path = tmp_path / "s.npz"
    solve(bf.pde.Poisson(dim=1), points=8, max_steps=1).save(path)
    data = path.read_bytes()
    for cut in (0, 10, len(data) // 2, len(data) - 30):
        (tmp_path / "cut.npz").write_bytes(data[:cut])
        with pytest.raises(FormatError):
            Solution.load(tmp_path / "cut.npz")
    with np.load(path) as arrays:
        fields = dict(arrays)
    document = json.loads(str(fields["solution"]))
    wrong = {"name": "Poisson", "settings": {"dim": "x"}}
    for change in ({"version": 9}, {"problem": wrong}, {"graph": []}, {"history": 3}):
        np.savez(path, **{**fields, "solution": json.dumps({**document, **change})})
        with pytest.raises(FormatError):
            Solution.load(path)
    np.savez(path, **{**fields, "theta": fields["theta"][:-1]})
    with pytest.raises(FormatError, match="theta: expected"):
        Solution.load(path)
    assert all(zipfile.ZipFile(path).read(name)[:6] == b"\x93NUMPY" for name in zipfile.ZipFile(path).namelist())


SHOWN = [Decay(), bf.pde.Heat(), bf.pde.Acoustics(), bf.pde.HJBLQG(dim=3)]


@pytest.mark.parametrize("problem", SHOWN, ids=lambda problem: problem.name)
def test_pictures(problem, tmp_path):
    pytest.importorskip("matplotlib")
    solution = solve(problem, points=16, max_steps=1, test_points=problem.test_points(64))
    solution.plot(tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "most"), [(bf.pde.Burgers(), 2e-3), (bf.pde.BlackScholes(), 3e-3)])
def test_the_points_of_the_problem_suffice(problem, most):
    """Networks fit fewer points, or uniform ones, closely and are wrong between them: 0.13, and 6e-3 with 100."""
    assert solve(problem, max_steps=100, look_every=100).error() < most
