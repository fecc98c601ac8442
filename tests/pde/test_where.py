"""Where a solution is measured and drawn: inside of points of one's own, at a point, and near what was sampled."""

import numpy as np
import pytest

import bpfree as bf
from bpfree.errors import FormatError
from bpfree.pde import Box, Normal, Solution, solve
from bpfree.pde.inside import among, between
from bpfree.pde.pictures import FINE


def in_l_shape(points):
    """Return which points of [-1, 1]^2 are not in the quarter x > 0, y < 0."""
    return ~((points[:, 0] > 0) & (points[:, 1] < 0))


def l_shape(n, seed=0):
    points = np.random.default_rng(seed).uniform(-1, 1, (2 * n, 2))
    return points[in_l_shape(points)][:n]


class Shape(bf.pde.Problem):
    """Lap u = 0 on an L-shape: r^(2/3) sin(2 phi / 3)."""

    domain = Box(x=(-1, 1), y=(-1, 1))

    def residual(self, u, c):
        return u.laplacian()

    def reference(self, points):
        x, y = points.T
        return (np.hypot(x, y) ** (2 / 3) * np.sin(2 / 3 * np.mod(np.arctan2(y, x), 2 * np.pi)))[:, None]


def test_points_among_given_ones():
    own, box = l_shape(600), Shape.domain
    many = np.random.default_rng(1).uniform(-1, 1, (4000, 2))
    found, wanted = among(own, many, box, 0.0), in_l_shape(many)
    assert (found & ~wanted).sum() < 0.05 * (~wanted).sum(), "a seam less wide than the points' distance"
    assert (found & wanted).sum() > 0.9 * wanted.sum()
    deep = (many[:, 0] > 0.15) & (many[:, 1] < -0.15)
    assert not found[deep].any()
    middles = between(own, box)
    assert len(middles) > 2000 and (~in_l_shape(middles)).sum() < 10, "a few at the corner"


def test_points_on_a_curve_are_measured_between_them():
    t = np.linspace(0, 6, 200)
    curve = 0.7 * np.stack([np.cos(t), np.sin(t)], axis=1)
    points = between(curve, Shape.domain)
    assert len(points) >= 200 and np.abs(np.hypot(*points.T) - 0.7).max() < 0.01
    one = np.array([[0.2, 0.1]])
    np.testing.assert_array_equal(between(one, Shape.domain), one)


def test_middles_of_a_boundary_are_on_the_boundary():
    y = np.linspace(-1, 1, 3)
    sides = np.concatenate([np.stack([np.full(3, x), y], axis=1) for x in (-1.0, 1.0)])
    points = between(sides, Shape.domain)
    assert np.unique(points, axis=0).tolist() == [[x, y] for x in (-1.0, 1.0) for y in (-0.5, 0.0, 0.5)]
    ends = np.array([[0.0], [1.0]])
    np.testing.assert_array_equal(between(ends, Box(x=(0, 1))), ends)


class Patch(bf.pde.Problem):
    """u = 1 / (1.05 - x - y) wherever it is asked for, which is not finite on a line of the square."""

    domain, points = Box(x=(0, 1), y=(0, 1)), 64

    def residual(self, u, c):
        return u - 1 / (1.05 - c.x - c.y)

    def network(self, seed=0):
        return bf.Sequential(2, [bf.Linear(12), bf.Tanh(), bf.Linear(1)], seed=seed)


def triangle(n):
    points = np.random.default_rng(2).random((4 * n, 2))
    return points[points.sum(axis=1) < 0.8][:n]


def test_the_residual_and_the_advice_look_inside_only():
    own = triangle(300)
    solution = solve(Patch(), points=own, max_steps=60)
    there = np.sqrt(solution.history.looks[-1].terms["residual"])
    inside = solution.residual_points
    assert len(inside) > 1000 and (inside.sum(axis=1) < 0.8).all()
    rms = solution.error("residual_rms")
    assert rms < 30 * there and solution.outcome_code not in ("underdetermined", "unsolved")
    assert solution.error("residual_rms", Patch().test_points()) > 100 * there, "outside it is no solution"
    assert f"the residual at {len(inside):,} points between the given ones" in solution.summary()


@pytest.mark.filterwarnings("ignore:conditions of x")  # where the points are is all that matters here
def test_points_of_ones_own_are_saved(tmp_path):
    solution = solve(Patch(), points=triangle(50), max_steps=2)
    solution.save(tmp_path / "s.npz")
    again = Solution.load(tmp_path / "s.npz", Patch())
    np.testing.assert_array_equal(again.given, solution.given)
    assert again.error("residual_rms") == solution.error("residual_rms")
    assert solve(Patch(), max_steps=1).given is None
    tested = solve(Shape(), points=8, max_steps=1, test_points=l_shape(9))
    tested.save(tmp_path / "s.npz")
    again = Solution.load(tmp_path / "s.npz", Shape())
    assert again.error() == tested.error() and again.test_given
    with np.load(tmp_path / "s.npz") as arrays:
        fields = dict(arrays)
    for wrong in (np.zeros((3, 5)), np.full((1, 2), np.nan), np.array([["a", "b"]])):
        np.savez(tmp_path / "w.npz", **{**fields, "test": wrong})
        with pytest.raises(FormatError):
            Solution.load(tmp_path / "w.npz", Shape())


def test_given_test_points_are_where_residuals_are_measured():
    test = triangle(40)
    solution = solve(Patch(), points=triangle(300), max_steps=1, test_points=test)
    np.testing.assert_array_equal(solution.residual_points, test)
    assert "the residual at 40 test points that were given" in solution.summary()


def pictured(monkeypatch, solution, path):
    """Return the arrays of the colour pictures of a plot."""
    from matplotlib.axes import Axes

    seen, plain = [], Axes.pcolormesh

    def keep(self, x, y, values, **options):
        if np.shape(values) == (FINE, FINE):  # not of a colour bar
            seen.append((x, y, values))
        return plain(self, x, y, values, **options)

    monkeypatch.setattr(Axes, "pcolormesh", keep)
    solution.plot(path)
    return seen


@pytest.mark.filterwarnings("ignore:conditions of x")  # where the points are is all that matters here
def test_a_picture_shows_the_inside_only(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    problem = Shape()
    solution = solve(problem, points=l_shape(600), max_steps=1, test_points=l_shape(100, 1))
    for x, y, values in pictured(monkeypatch, solution, tmp_path / "s.png"):
        assert np.isnan(values[(x > 0.2) & (y < -0.2)]).all()
        assert np.isnan(values[(x < -0.1) | (y > 0.1)]).mean() < 0.1
    whole = solve(problem, points=50, max_steps=1, test_points=l_shape(100, 1))
    assert not np.isnan(pictured(monkeypatch, whole, tmp_path / "s.png")[-1][2]).any()


def test_a_picture_in_many_dimensions_is_near_the_points(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    problem, asked = bf.pde.HJBLQG(dim=20), []
    solution = solve(problem, points=30, max_steps=1, test_points=problem.test_points(256))
    predict = solution.predict
    monkeypatch.setattr(solution, "predict", lambda points: asked.append(points) or predict(points))
    solution.plot(tmp_path / "s.png")
    others = asked[0][:, 1:20]
    assert (others == others[0]).all() and 10 < (others[0] ** 2).sum() < 30, "19 of 20 dimensions, each about 1"
    flat = solve(bf.pde.Heat(dim=3), points=8, max_steps=1)
    asked.clear()
    predict = flat.predict
    monkeypatch.setattr(flat, "predict", lambda points: asked.append(points) or predict(points))
    flat.plot(tmp_path / "s.png")
    assert (asked[0][:, [1, 2]] == 0.5).all(), "few stay at the middle"


def test_the_error_at_a_point():
    problem = bf.pde.HJBLQG(dim=20)
    solution = solve(problem, points=100, max_steps=3, test_points=problem.test_points(500))
    middle = np.zeros((1, 21))
    wanted = problem.reference(middle).item()
    assert wanted == pytest.approx(2.92101474, abs=1e-8)
    found = solution.predict(at={"x": 0.0, "t": 0.0})
    np.testing.assert_array_equal(found, solution.predict(middle)[0])
    off = abs(found.item() - wanted)
    assert solution.error(at={"x": 0, "t": 0}) == pytest.approx(off / wanted)
    assert solution.error("max", at=np.zeros(21)) == pytest.approx(off)
    assert solution.error("residual_rms", at=np.zeros(21)) == solution.error("residual_rms", middle)
    summary = solution.summary()
    assert "errors at 500 test points that were given" in summary
    assert f"at x = 0, t = 0: u = {found.item():.6g} (reference 2.92101), {off / wanted:.2%} off" in summary


def test_a_summary_says_where_errors_are_measured():
    assert "errors at 10,000 test points: x ~ N(0, 1)^3, t in [0, 1]" in solve(
        bf.pde.HJBLQG(dim=3), points=8, max_steps=1
    ).summary()
    assert "the residual at 10,000 test points: x in [0, 1], y in [0, 1]" in solve(Patch(), max_steps=1).summary()


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ({"x": 0.0}, "at: expected a number for each of x, t, got x"),
        ({"x": [0.0, 1.0], "t": 0.0}, r"at: expected 4 numbers, or {\"x\": 0.0, \"t\": 0.0}, got shape \(3,\)"),
        ([0.0], r"at: expected 4 numbers, .* got shape \(1,\)"),
        ({"x": 0.0, "t": 2.0}, r"at: expected t in \[0, 1\], got \[2.0\]"),
        ({"x": np.nan, "t": 0.0}, "at: expected finite numbers"),
    ],
)
def test_points_that_are_none_are_refused(at, message):
    box = Box(x=Normal(3), t=(0, 1))
    with pytest.raises(ValueError, match=message):
        box.point(at)


def test_a_point_and_points_are_too_many():
    solution = solve(Patch(), max_steps=1)
    with pytest.raises(ValueError, match="points: expected either points or at=, got both"):
        solution.predict([[0.1, 0.1]], at=[0.1, 0.1])
    with pytest.raises(ValueError, match="points: expected either points or at=, got both"):
        solution.error("residual_rms", [[0.1, 0.1]], at=[0.1, 0.1])
