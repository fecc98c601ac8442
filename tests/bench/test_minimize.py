# SPDX-License-Identifier: MIT
"""The bench of minimize: what is asked of the defaults, and that rivals get as many evaluations."""

import sys

import numpy as np
import pytest
from scipy import optimize

from bpfree.bench import minimize
from bpfree.bench.minimize_cases import CASES
from bpfree.bench.minimize_rivals import RIVALS, Counted, Spent, minimise
from bpfree.bench.rows import FIELDS

ASKED = {
    "sphere-1e-6": 1e-6, "sphere": 1e-6, "sphere-1e6": 1e-6, "rosenbrock-10": 0.1, "rosenbrock-20": 1.0,
    "ellipsoid-1e3": 1e-3, "ellipsoid-1e4": 1e-3, "rotated-1e3": 1e-3, "rotated-1e4": 1e-3,
    "noisy-0.1": 0.3, "noisy-1": 0.3, "rastrigin": 0.5,
}  # fmt: skip


def test_what_is_asked():
    assert {name: case.bar for name, case in CASES.items()} == ASKED
    asked_as_it_is = {name for name, case in CASES.items() if not case.of_start}
    assert asked_as_it_is == {"rosenbrock-10", "rosenbrock-20", "noisy-0.1", "noisy-1"}


@pytest.mark.parametrize("name", CASES)
def test_the_defaults_do_what_is_asked(name):
    """With the first seed of the bench and 20,000 evaluations; the bench itself takes five seeds."""
    first, seconds = minimize.case_rows(name, range(1), 20_000)
    assert first["value"] <= ASKED[name] and first["ratio"] == first["value"] / ASKED[name]
    assert tuple(first) == FIELDS and first["seeds"] == 1 and first["std"] is None and seconds["unit"] == "s"
    assert first["reference"].startswith(f"at most {ASKED[name]:g}: ")


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_and_with_every_seed(name):
    first, _ = minimize.case_rows(name, range(minimize.SEEDS), minimize.EVALUATIONS)
    assert first["value"] <= ASKED[name] and first["seeds"] == minimize.SEEDS


def test_functions_have_their_minimum_where_it_is_known_to_be():
    for name, case in CASES.items():
        function, start = case.make(3)
        best = np.zeros(start.size) if name == "rastrigin" else np.ones(start.size)
        assert function(best) == pytest.approx(0, abs=1e-12) and function(start) > function(best)
        assert np.array_equal(start, case.make(3)[1]), "a seed gives one start"
        assert start.size == (10 if name == "rosenbrock-10" else 20)
        if "rosenbrock" in name:
            x = np.linspace(-1, 2, start.size)
            assert function(x) == pytest.approx(optimize.rosen(x)) and not start.any()
    assert not np.array_equal(CASES["sphere"].make(0)[1], CASES["sphere"].make(1)[1])


@pytest.mark.parametrize("condition", [1e3, 1e4])
def test_the_turned_ellipsoid_has_the_condition_it_says(condition):
    function, _ = CASES[f"rotated-{condition:.0e}".replace("+0", "")].make(2)
    e = np.eye(20)
    hessian = [[function(1 + a + b) - function(1 + a) - function(1 + b) for a in e] for b in e]
    assert np.linalg.cond(hessian) == pytest.approx(condition, rel=1e-6)
    assert np.abs(np.triu(hessian, 1)).max() > 0.01 * condition, "not along the axes"


def test_a_budget_ends_a_rival():
    counted = Counted(lambda x: float(x @ x), 3)
    for x in (2.0, 1.0, 3.0):
        counted(np.array([x]))
    with pytest.raises(Spent):
        counted(np.zeros(1))
    assert counted.calls == 3 and counted.best == (1.0, np.array([1.0]))


@pytest.mark.parametrize("rival", RIVALS)
def test_rivals_minimise_within_the_budget(rival):
    pytest.importorskip({"pycma": "cma", "nevergrad": "nevergrad"}.get(rival, "scipy"))
    calls = []

    def bowl(x):
        calls.append(1)
        return float(((np.asarray(x) - 1) ** 2).sum())

    found = minimise(rival, bowl, np.zeros(20), 2000, 0)
    assert len(calls) <= 2000 and bowl(found) < 19, "it was 20"


def test_a_rival_that_is_not_there_has_a_row_that_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "cma", None)
    rows = minimize.case_rows("sphere", range(1), 500, ["pycma", "powell"])
    by_case = {r["case"]: r for r in rows if r["metric"] == "share_of_start"}
    assert by_case["sphere/pycma"]["value"] is None and by_case["sphere/pycma"]["reference"] == "missing: cma"
    assert by_case["sphere/powell"]["value"] < 1 and by_case["sphere/powell"]["reference"] == "sphere"


def test_quick_takes_one_seed(monkeypatch):
    asked = []
    monkeypatch.setattr(minimize, "case_rows", lambda name, *rest: asked.append((name, *rest)) or [])
    assert minimize.run(quick=True) == [] and [row[0] for row in asked] == list(CASES)
    assert all(row[1:] == (range(1), 20_000, RIVALS) for row in asked)
