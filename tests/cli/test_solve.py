"""`bpfree solve`: its options, its text, and the files it writes."""

import json
import sys

import pytest
from command_line import run

import bpfree as bf
from bpfree.cli import solve as command
from bpfree.pde import Solution
from bpfree.pde.methods import METHODS
from bpfree.pde.problems import PROBLEMS
from bpfree.pde.rules import RULES

QUICK = ("--max-steps", 2, "--points", 16)


def test_the_names_are_those_of_the_tables():
    assert set(command.RULES) == {row.name for row in RULES}
    assert set(command.METHODS) == {row.name for row in METHODS} - {"alternate"}


def test_the_list_has_every_problem():
    result = run("solve", "--list", "--json", "-")
    assert result.exit_code == 0 and set(json.loads(result.stdout)["problems"]) == {row.name for row in PROBLEMS}
    assert all(row.name in result.stderr and row.what in result.stderr for row in PROBLEMS)


def test_a_problem_is_solved_kept_and_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    files = ("--save", tmp_path / "s.npz", "--plot", tmp_path / "s.png")
    result = run("solve", "poisson", "--dim", 1, *QUICK, *files, "--json", "-")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    solution = Solution.load(tmp_path / "s.npz")
    assert solution.asked.dim == 1 and document["errors"]["relative_l2"] == solution.error()
    assert document["steps"] == 2 and document["outcome"] == "done" and document["tier"] == "layer-access"
    assert set(document["floors"]) == set(solution.asked.floors()) and document["forwards"] == solution.history.forwards
    assert "floors: " in result.stderr and (tmp_path / "s.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("rule", command.RULES)
def test_every_rule_has_its_name(rule):
    found = json.loads(run("solve", "heat", *QUICK, "--rule", rule, "--json", "-").stdout)
    assert found["rule"].startswith(RULES[rule].settings.__name__)


@pytest.mark.parametrize("method", command.METHODS)
def test_every_method_has_its_name(method):
    found = json.loads(run("solve", "poisson", *QUICK, "--method", method, "--json", "-").stdout)
    assert found["method"].startswith(METHODS[method].settings.__name__)


def test_explain_has_every_rule():
    result = run("solve", "hjb_lqg", "--dim", 4, "--explain", "--json", "-")
    found = json.loads(result.stdout)
    assert [row["name"] for row in found["rules"]] == [row.name for row in RULES]
    assert "LevenbergMarquardt" in found["why"] and "taylor" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "PROBLEM: expected one of those that --list shows"),
        (("stokes",), "problem: expected one of black_scholes"),
        (("burgers", "--dim", 3), "--dim: expected none for Burgers, whose dimensions are fixed, got 3"),
        (("poisson", "--dim", 0), "--dim: expected an integer >= 1"),
        (("poisson", "--points", 0), "--points: expected an integer >= 1"),
        (("poisson", "--max-forwards", -1), "--max-forwards: expected"),
        (("poisson", "--rule", "magic"), "'magic' is not one of"),
        (("poisson", "--plot", "nowhere/u.png"), "the folder nowhere does not exist"),
    ],
)
def test_wrong_use_is_one_line(arguments, message):
    result = run("solve", *arguments)
    assert result.exit_code == 2 and message.lower() in result.stderr.lower()


def test_a_picture_of_no_kind_is_refused_before_solving():
    pytest.importorskip("matplotlib")
    result = run("solve", "poisson", "--plot", "u.txt")
    assert result.exit_code == 2 and "expected a name that ends in .png, .pdf, .svg or the like" in result.stderr


def test_pictures_need_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.backend_bases", None)
    result = run("solve", "poisson", "--plot", "u.png")
    assert result.exit_code == 2 and 'pip install "bpfree[plot]"' in result.stderr


def test_an_answer_that_is_no_solution_is_an_error():
    result = run("solve", "burgers", "--max-steps", 2, "--points", 40, "--json", "-")
    found = json.loads(result.stdout)
    assert found["remark"] == "" and found["outcome"] == "unsolved"
    assert "so this is no solution: the loss still falls: try more steps" in found["advice"]
    assert result.exit_code == 1 and result.stderr.endswith(f"solve: {found['advice']}\n")


def test_a_rough_answer_is_a_warning():
    result = run("solve", "helmholtz", "--max-steps", 60, "--points", 600, "--json", "-")
    found = json.loads(result.stdout)
    assert 0.1 < found["errors"]["relative_l2"] < 0.3 and found["outcome"] == "done"
    assert "so this is a rough answer: the loss still falls: try more steps" in found["remark"]
    assert result.exit_code == 0 and result.stderr.endswith(f"solve: warning: done, but {found['remark']}\n")


def test_a_good_answer_is_none():
    result = run("solve", "poisson", "--dim", 1, "--points", 64, "--max-steps", 60, "--json", "-")
    assert json.loads(result.stdout)["remark"] == "" and result.exit_code == 0
    assert "warning" not in result.stderr


def ended_with(monkeypatch, code):
    """The result of a solve that ends with this code."""
    whole = bf.pde.solve

    def solve(*given, **settings):
        solution = whole(*given, **settings)
        solution.history.end(code, f"{code}: as told")
        solution.history.remark = ""
        return solution

    monkeypatch.setattr(bf.pde, "solve", solve)
    return run("solve", "poisson", *QUICK)


@pytest.mark.parametrize("code", ["underdetermined", "ill_posed"])
def test_an_answer_that_may_be_wrong_is_a_warning(monkeypatch, code):
    result = ended_with(monkeypatch, code)
    assert result.exit_code == 0 and f"solve: warning: {code}: as told\n" in result.stderr


@pytest.mark.parametrize("code", ["nonfinite_loss", "overflow", "mu_too_small"])
def test_numbers_that_failed_are_an_error(monkeypatch, code):
    result = ended_with(monkeypatch, code)
    assert result.exit_code == 1 and f"solve: {code}: as told\n" in result.stderr
