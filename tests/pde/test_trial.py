"""Formulas at values of their own: their derivatives are exact, and the sizes of their terms are those on paper."""

import numpy as np
import pytest

from bpfree.pde import Box, Periodic, Problem, Unknown
from bpfree.pde.missing_conditions import missing_conditions
from bpfree.pde.residuals import TermRows
from bpfree.pde.trial import quantities_of, sizes_of_terms, trial_rows, trial_slopes
from bpfree.pde.wanted import First, Second

POINTS = np.linspace([0.1, 0.2], [0.9, 0.8], 5)


def of(residual, **more):
    """Return a problem, the TermRows of its equations, and values of what they read."""
    members = {"domain": Box(x=(0, 1), t=(0, 1)), "residual": lambda self, u, c: residual(u, c), **more}
    problem = type("Own", (Problem,), members)()
    part = TermRows(problem, problem.terms()[0], POINTS, np.dtype(float))
    random = np.random.default_rng(0)
    return problem, part, {key: random.uniform(0.5, 1.5, len(POINTS)) for key in quantities_of(part)}


def test_slopes_are_exact():
    problem, part, q = of(lambda u, c: (u.t + u**3 * u.x - c.x * np.exp(u.xx), u.x / u))
    u, t, x, xx = q[0, None], q[0, First(1)], q[0, First(0)], q[0, Second(0, 0)]
    found = dict(zip(q, trial_slopes(problem, part, POINTS, q), strict=True))
    assert found[0, First(1)].tolist() == [[1.0] * 5, [0.0] * 5] and t.size == 5
    np.testing.assert_allclose(found[0, None], [3 * u**2 * x, -x / u**2], rtol=1e-14)
    np.testing.assert_allclose(found[0, First(0)], [u**3, 1 / u], rtol=1e-14)
    np.testing.assert_allclose(found[0, Second(0, 0)], [-POINTS[:, 0] * np.exp(xx), np.zeros(5)], rtol=1e-14)


def test_slopes_of_a_formula_that_leaves_numpy_are_differences():
    problem, part, q = of(lambda u, c: u.t + np.array([float(one) ** 2 for one in u.value]))
    found = dict(zip(q, trial_slopes(problem, part, POINTS, q), strict=True))
    np.testing.assert_allclose(found[0, None][0], 2 * q[0, None], rtol=1e-10)


def test_a_formula_that_adds_in_place_changes_nothing_for_the_next():
    def added(u, c):
        total = u.t
        total += 2 * u.x
        return total

    problem, part, q = of(added)
    before, rows = {key: one.copy() for key, one in q.items()}, trial_rows(problem, part, POINTS, q)
    slopes = trial_slopes(problem, part, POINTS, q)
    assert all(np.array_equal(q[key], before[key]) for key in q)
    assert np.array_equal(rows, trial_rows(problem, part, POINTS, q))
    assert slopes[:, 0, 0].tolist() == [0.0, 1.0, 2.0]


def test_both_sides_of_a_pair_move_together():
    problem = of(lambda u, c: u.t, conditions=[Periodic("x", derivative=False)])[0]
    term = problem.terms()[1]
    part = TermRows(problem, term, term.sample(5, "sobol", 0), np.dtype(float))
    assert not trial_slopes(problem, part, part.points, {(0, None): np.ones(5)}).any()


def test_sizes_of_terms_leave_out_what_is_not_finite():
    slopes = np.array([[[3.0, 3.0]], [[np.inf, 2.0]]])
    terms, source = sizes_of_terms(slopes, (np.array([1.0, 2.0]), 0.0), np.array([[np.nan, 4.0]]))
    assert terms.tolist() == [(9 + 36) / 2] and source.tolist() == [8.0]


@pytest.mark.parametrize("start", [-1.0, 0.0, -1e6, 1e-6])
def test_an_unknown_is_in_use_wherever_it_starts(start):
    """A move of start/1000 + 1/1000 is none where start is -1, and the slope of k^2 is 0 where start is 0."""

    class Own(Problem):
        domain, k = Box(t=(0, 1)), Unknown(start)

        def residual(self, u, c):
            return u.t + 1e3 + self.k**2

    problem = Own()
    part = TermRows(problem, problem.terms()[0], np.ones((4, 1)), np.dtype(float))
    missing = missing_conditions(problem, part)
    assert missing is None or "an unknown that the equations use" not in missing.text
