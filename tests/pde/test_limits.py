"""Limits on the time of a solve: they are for steps, and looks at the error neither use them up nor go on for long."""

import time

import numpy as np

import bpfree as bf
from bpfree.pde import solve


class Decay(bf.pde.Problem):
    """u' = -u, u(0) = 1."""

    domain, points = bf.pde.Box(t=(0, 1)), 16
    conditions = (bf.pde.Initial(1.0, hard=True),)

    def residual(self, u, c):
        return u.t + u

    def reference(self, points):
        return np.exp(-points)

    def network(self, seed=0):
        return bf.Sequential(1, [bf.Linear(4), bf.Tanh(), bf.Linear(1)], seed=seed)


def slowly(monkeypatch, seconds):
    """Make every look at the error take this long."""
    plain = bf.pde.Solution.error

    def error(self, *given, **options):
        time.sleep(seconds)
        return plain(self, *given, **options)

    monkeypatch.setattr(bf.pde.Solution, "error", error)


def test_looks_do_not_use_up_the_time(monkeypatch):
    slowly(monkeypatch, 0.3)
    solution = solve(Decay(), max_seconds=0.1, look_every=1)
    assert solution.outcome_code == "time" and solution.steps > 1
    assert "max_seconds=0.1 have passed with steps, and 0." in solution.outcome and "measurements" in solution.outcome


def test_looks_do_not_go_on_for_long(monkeypatch):
    slowly(monkeypatch, 0.2)
    began = time.perf_counter()
    solution = solve(Decay(), max_seconds=0.3, look_every=1)
    assert time.perf_counter() - began < 3 and solution.steps > 10, "0.2 s after each of them would be more"
    errors = [look.error for look in solution.history.looks]
    assert len(errors) == solution.steps + 1, "losses and terms are there for each step"
    assert np.isnan(errors).any() and not np.isnan(errors[-1])


def test_one_step_is_made_in_any_case():
    solution = solve(Decay(), max_seconds=1e-9)
    assert solution.steps == 1 and "ended with time: max_seconds=1e-09 have passed" in solution.outcome


def test_without_a_limit_on_time_every_look_has_an_error(monkeypatch):
    slowly(monkeypatch, 0.02)
    solution = solve(Decay(), max_steps=6, look_every=1)
    assert len(solution.history.looks) == 7 and not np.isnan([look.error for look in solution.history.looks]).any()
