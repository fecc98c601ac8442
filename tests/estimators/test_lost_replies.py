"""Replies that are lost or infinite, of every black-box estimator: against the formula with what is left."""

import json

import numpy as np
import pytest
from helpers import show
from quadratic import measured, quadratic, run

import bpfree as bf

D = 6
SLOPE = np.array([3.0, -1.0, 2.0, 0.5, -4.0, 1.0])
MEANS = [
    bf.RGE(n_queries=8),
    bf.RGE(n_queries=8, two_sided=False),
    bf.RGE(n_queries=8, direction="gaussian"),
    bf.RGE(n_queries=8, direction="sphere", two_sided=False),
    bf.RGE(n_queries=8, direction="hadamard"),
    bf.Hybrid(n_queries=4),
    bf.Hybrid(n_queries=4, two_sided=False),
    bf.CGE(fraction=0.67, rescale=True),
]
"""Estimators whose g is a mean over what they probe."""
ALONE = [bf.CGE(), bf.CGE(two_sided=False), bf.CGE(fraction=0.5), bf.CGE(fraction=0.4, order="cyclic"), bf.Hybrid(6)]
"""Estimators whose coefficients stand for themselves, so that a lost one concerns no other."""


def line(theta):
    return float(SLOPE @ theta)


def step(estimator, spoil, update=None, seed=0):
    """(gradient, estimate, ask) of one step on the line, its losses changed by spoil(values)."""
    ask = estimator.start(np.zeros(D), seed=seed, update=update or bf.SGD(1.0), max_steps=9)
    values = np.array([line(point) for point in ask.points()])
    spoil(values)
    estimate = ask.tell(values)
    return -ask.theta, estimate, ask


def pairs(estimator, n):
    """Rows of the probes of coefficient n: plus, then minus or the shared one at theta."""
    return (2 * n, 2 * n + 1) if estimator.two_sided else (n + 1, 0)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("estimator", MEANS, ids=show)
def test_a_mean_is_taken_of_those_that_are_left(estimator, side):
    """q / (q - 1) times the sum without it: coefficients of a line do not depend on mu."""
    whole, full, _ = step(estimator, lambda values: None)
    row = pairs(estimator, 1)[0 if not estimator.two_sided else side]
    g, part, ask = step(estimator, lambda values: values.__setitem__(row, np.nan))
    q = full.coefficients.size
    expected = full.coefficients * q / (q - 1)
    expected[0, 1] = 0
    np.testing.assert_allclose(part.coefficients, expected, rtol=1e-9)
    np.testing.assert_allclose(g, estimator.gradient(ask.graph, 0, 0, expected), rtol=1e-9)
    assert ask.step == 1 and ask.outcome_code == "running" and ask.lost == 1 and part.diagnostics["lost"] == 1
    assert ask.evaluations == ask.n_probes and np.isfinite(ask.loss) and not np.array_equal(g, whole)


@pytest.mark.parametrize("estimator", ALONE, ids=show)
def test_a_partial_derivative_that_is_lost_is_zero_and_the_others_stay(estimator):
    _, full, _ = step(estimator, lambda values: None)
    g, part, ask = step(estimator, lambda values: values.__setitem__(pairs(estimator, 1)[0], np.nan))
    expected = full.coefficients.copy()
    expected[0, 1] = 0
    assert np.array_equal(part.coefficients, expected) and ask.step == 1
    assert np.array_equal(g, estimator.gradient(ask.graph, 0, 0, expected))


@pytest.mark.parametrize("estimator", MEANS[:5], ids=show)
def test_lost_at_random_the_mean_of_many_estimates_is_the_gradient(estimator):
    """A third of all replies lost, of the steps of which something is left: direction and length."""
    draw, total, made = np.random.default_rng(3), np.zeros(D), 0

    def spoil(values):
        lost = draw.random(len(values)) < 0.3
        lost[0] &= estimator.two_sided
        values[lost] = np.nan

    for seed in range(800):
        g, _, ask = step(estimator, spoil, seed=seed)
        total, made = total + g, made + ask.step
    mean, length = total / made, np.linalg.norm(SLOPE)
    assert made > 790 and mean @ SLOPE / length**2 == pytest.approx(1, abs=0.08)
    assert np.linalg.norm(mean - SLOPE) < 0.12 * length


SIDES = [(one, plus) for one in MEANS[:7] + ALONE[:4] for plus in (True, False) if plus or one.two_sided]


@pytest.mark.parametrize(("estimator", "plus"), SIDES, ids=show)
def test_one_side_infinite_points_away_as_strongly_as_the_strongest(estimator, plus):
    _, full, _ = step(estimator, lambda values: None)
    row = pairs(estimator, 1)[0 if plus else 1]
    _, part, ask = step(estimator, lambda values: values.__setitem__(row, np.inf))
    others = np.delete(full.coefficients.ravel(), 1)
    expected = full.coefficients.copy()
    expected[0, 1] = np.abs(others).max() * (1 if plus else -1)
    np.testing.assert_allclose(part.coefficients, expected, rtol=1e-12)
    assert ask.step == 1 and ask.lost == 1 and part.diagnostics == {"lost": 0, "infinite": 1}
    alone = np.where(np.arange(expected.size) == 1, expected, 0)  # what it adds to g, and where it was measured
    direction = bf.engines.probes.perturb(ask.graph, np.zeros(D), estimator.ask(ask.graph, 0, 0)[row])
    assert estimator.gradient(ask.graph, 0, 0, alone) @ direction > 0, "theta goes against g"


BOTH_SIDES = [(np.inf, np.inf), (np.nan, np.inf), (np.inf, np.nan), (np.nan, np.nan), (1.0, -np.inf)]


@pytest.mark.parametrize("bad", BOTH_SIDES)
def test_both_sides_bad_is_lost(bad):
    estimator = bf.RGE(n_queries=4)
    _, full, _ = step(estimator, lambda values: None)
    _, part, ask = step(estimator, lambda values: values.__setitem__(slice(2, 4), bad))
    expected = full.coefficients * 4 / 3
    expected[0, 1] = 0
    np.testing.assert_allclose(part.coefficients, expected, rtol=1e-12)
    assert ask.step == 1


@pytest.mark.parametrize("estimator", MEANS + ALONE, ids=show)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_where_nothing_is_left_nothing_moves(estimator, bad):
    g, _, ask = step(estimator, lambda values: values.__setitem__(slice(None), bad))
    assert not g.any() and ask.step == 0 and ask.outcome_code == "nonfinite_loss" and "at" in ask.outcome


@pytest.mark.parametrize("estimator", [bf.RGE(8, two_sided=False), bf.CGE(two_sided=False)], ids=show)
def test_without_the_loss_at_theta_there_is_nothing(estimator):
    g, _, ask = step(estimator, lambda values: values.__setitem__(0, np.nan))
    assert not g.any() and ask.outcome_code == "nonfinite_loss"


def test_one_bad_sample_loses_the_reply():
    ask = bf.RGE(n_queries=2).start(np.zeros(D), update=bf.SGD(0.1))
    values = np.array([[line(point)] * 3 for point in ask.points()])
    values[0, 1] = np.nan
    estimate = ask.tell(values)
    assert estimate.coefficients[0, 0] == 0 and ask.lost == 1 and ask.step == 1


def test_an_estimator_that_cannot_do_without_says_so():
    class Own(bf.RGE):
        may_lose = False

    ask = Own(n_queries=4).start(np.zeros(3))
    ask.tell([1.0, np.nan, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0])
    assert ask.outcome_code == "nonfinite_loss" and "at 1 of 8 points, first 1" in ask.outcome and ask.step == 0


def test_minimize_goes_on_and_counts():
    draw = np.random.default_rng(0)

    def flaky(theta):
        return np.nan if draw.random() < 0.1 else quadratic(theta)

    theta, history = bf.minimize(flaky, np.zeros(3), max_evaluations=2000)
    assert quadratic(theta) < 1e-6 * quadratic(np.zeros(3)) and history.outcome_code == "budget"
    assert 120 < history.lost < 280 and f"{history.lost} replies were not finite" in history.summary()


def test_a_wall_is_walked_away_from():
    """Losses that are infinite beyond a wall, right at which the run starts."""
    wall = lambda theta: np.inf if theta[0] > 0.0 else float(((theta + 1) ** 2).sum())
    for estimator in (bf.CGE(), bf.CGE(two_sided=False), bf.Hybrid(n_queries=3)):
        theta, history = bf.minimize(wall, np.zeros(3), estimator=estimator, update=bf.SGD(0.1), max_steps=60)
        assert np.abs(theta + 1).max() < 1e-3 and history.lost > 0


def test_a_run_with_losses_is_the_same_run_again_and_goes_on_from_a_file(tmp_path):
    """Deterministic, and saved with all its counts."""

    def lossy(ask, points):
        values = np.array(measured(ask, points))
        values[ask.step % 8] = np.inf if ask.step % 3 else np.nan
        return values

    settings = {"update": bf.Momentum(0.02), "measure": lossy, "seed": 3}
    whole = run(max_steps=12, **settings)
    assert whole.lost == 12 and np.array_equal(run(max_steps=12, **settings).theta, whole.theta)
    run(max_steps=7, **settings).save(tmp_path / "run.npz")
    again = bf.RGE(n_queries=4).start(np.zeros(3), update=bf.Momentum(0.02), seed=3, max_steps=12)
    again.restore(tmp_path / "run.npz")
    assert again.lost == 7 and again.best.step <= 7
    for points in again:
        again.tell(lossy(again, points))
    assert again.theta.tobytes() == whole.theta.tobytes() and again.lost == 12
    assert again.best[:2] == whole.best[:2] and np.array_equal(again.best.theta, whole.best.theta)


def test_files_of_before_are_read(tmp_path):
    """What was written without counts of losses, and without the best theta."""
    path = tmp_path / "run.npz"
    ask = run(max_steps=5)
    ask.save(path)
    with np.load(path) as saved:
        arrays = {name: saved[name] for name in saved.files if name != "best"}
    document = json.loads(str(arrays["asktell"]))
    document["counts"] = {name: document["counts"][name] for name in ("step", "evaluations", "quiet")}
    np.savez(path, **{**arrays, "asktell": json.dumps(document)})
    again = bf.RGE(n_queries=4).start(np.zeros(3), max_steps=12).restore(path)
    assert (again.step, again.evaluations, again.lost, again.best) == (5, 40, 0, None)
    for points in again:
        again.tell(measured(again, points))
    assert np.array_equal(again.theta, run(max_steps=12).theta)
