# SPDX-License-Identifier: MIT
"""Partial differential equations with forward passes only: error, forwards, seconds, floors and rivals.

- `rules-dD/RULE-PRECISION`: the derivative rules, measured by :mod:`bpfree.bench.pde_rules`.
- A bare case is ours, means over the seeds. The ratio of its `relative_l2` is to the target, which <= 1 meets.
- `case/floor-NAME`: the error of a trivial answer; a method that is not far below it has learned little.
- `case/backprop`: the same network from the same parameters in PyTorch, with derivatives by autograd in float64, by
  Adam and then L-BFGS, for twice our seconds. `case/deepxde`: the library of that name, likewise.
- `hjb-lin-20/seed`, `hjb-lin-20/seed-taylor`: the published forward-only setting, and the same with exact derivatives.

`seconds` are CPU time of one thread, including linear solves and excluding measurements of the error. `forwards` are
all multiply-accumulates in passes of one sample, as `solve` counts them. Back-propagation has no such count: its rows
say how many points the network saw. Errors are relative L2 at `problem.test_points()`, 10,000 points by which nothing
was chosen.
"""

from __future__ import annotations

import csv as tables
from importlib.util import find_spec
from statistics import mean, stdev

import numpy as np

from bpfree.bench.pde_cases import CASES, SEEDS, Case, Result, published, quickly, run_adversary, run_case
from bpfree.bench.pde_rules import measure as measure_rules
from bpfree.bench.rows import missing, row
from bpfree.files import replacing
from bpfree.pde import SparseGrid, Taylor
from bpfree.screen.plots import plot_errors
from bpfree.screen.progress import live_bar

DEEPXDE = {"burgers": ((20, 20, 20), "burgers"), "heat-1d": ((32, 32), "heat")}
"""The cases that DeepXDE solves too: (widths, name in `pde_deepxde.train`) by case."""

SEED_STEPS, STEPS = 10, 200
"""Steps of the published setting with its own rule, which take half a minute each, and with exact derivatives."""

SEED_NOTE = "float64, black-box: RGE of 10 directions, two-sided, Adam 1e-3, 100 points per step"


def run(quick: bool = False, csv=None, plot=None, only=None) -> list[dict]:
    """Run the benchmark and return its rows.

    quick: only show that everything runs.
    csv, plot: paths of files for the curves of hjb-lin-20.
    only: names of the cases to run; None runs all, the rules and the curves.
    """
    from bpfree.bench.contest import pinned_threads

    cases = [quickly(case) if quick else case for case in CASES if only is None or case.name in only]
    with pinned_threads(), live_bar(len(cases) + 1, "cases") as progress:
        rows = measure_rules(quick) if only is None else []
        for done, case in enumerate(cases):
            progress(done, case.name)
            rows += case_rows(case, quick)
        if only is None or "curves" in only:
            progress(len(cases), "hjb-lin-20, published")
            curves = measure_curves(quick)
            rows += curve_rows(curves)
            if csv is not None:
                write_csv(curves, csv)
            if plot is not None:
                plot_errors(curves, plot)
    return rows


def case_rows(case: Case, quick: bool = False) -> list[dict]:
    """Return the rows of a case: ours, floors, rivals."""
    problem = case.problem()
    test = problem.test_points()
    ours = [run_case(case, seed, test) for seed in case.seeds]
    rows = _rows(case.name, ours, _note(case), f"; the target is {case.target:g}", case.target)
    for name, value in problem.floors(test).items():
        rows.append(row("pde", f"{case.name}/floor-{_slug(name)}", "relative_l2", value, "1", "no training"))
    if case.adversary is not None:
        rows += _adversary_rows(case, ours, test)
    if case.name in DEEPXDE:
        rows += _deepxde_rows(case, ours, problem, test)
    return rows


def _rows(case, results: list[Result], note, asked="", theirs=None, forwards="forwards") -> list[dict]:
    """Return the rows of one way to solve a case; theirs is the relative L2 it is compared with."""
    errors = [result.error for result in results]
    rows = [_row(case, "relative_l2", errors, "1", note + asked, theirs)]
    rows.append(_row(case, forwards, [result.forwards for result in results], "passes", note))
    rows.append(_row(case, "seconds", [result.seconds for result in results], "s", note))
    if results[0].unknowns:
        off = [abs(result.unknowns["alpha"] / 0.1 - 1) for result in results]
        rows.append(_row(case, "coefficient_error", off, "1", note))
    return rows


def _row(case, metric, values, unit, reference, theirs=None) -> dict:
    value, spread = mean(values), stdev(values) if len(values) > 1 else None
    return row("pde", case, metric, value, unit, reference, theirs and value / theirs, len(values), spread)


def _note(case: Case) -> str:
    """Return precision, tier, method and rule of a case in words."""
    last = case.phases[-1]
    method = last.get("method")
    how = type(method).__name__ if method is not None else "LevenbergMarquardt"
    tier = method.tier if method is not None else "layer-access"
    dtype = last["engine"].dtype if "engine" in last else "float64"
    rule = type(last.get("rule", Taylor())).__name__
    return f"{np.dtype(dtype).name}, {tier}: {how}, {rule}"


def _adversary_rows(case, ours, test) -> list[dict]:
    name, how = f"{case.name}/backprop", case.adversary
    if find_spec("torch") is None:
        return [missing("pde", name, "relative_l2", "1", "missing: torch")]
    seconds = how.times * mean(result.seconds for result in ours)
    found = [run_adversary(case, seed, test, ours[0].counts, seconds) for seed in case.seeds[:1]]
    rest = ", then L-BFGS" if how.share < 1 else ""
    note = f"float64, PyTorch: Adam {how.lr:g}{rest}"
    return _rows(name, found, note, "", mean(result.error for result in ours), "points_seen")


def _deepxde_rows(case, ours, problem, test) -> list[dict]:
    name = f"{case.name}/deepxde"
    if find_spec("deepxde") is None or find_spec("torch") is None:
        return [missing("pde", name, "relative_l2", "1", "missing: deepxde with torch")]
    from bpfree.bench.pde_deepxde import train

    (widths, kind), seed = DEEPXDE[case.name], case.seeds[0]
    seconds = case.adversary.times * mean(result.seconds for result in ours)
    predict, steps = train(kind, widths, ours[0].counts["residual"], seed, seconds)
    wanted = problem.reference(test)
    error = float(np.linalg.norm(predict(test) - wanted) / np.linalg.norm(wanted))
    result = Result(error, steps * ours[0].counts["residual"], seconds, {}, {}, [], steps)
    note = "float64, DeepXDE on PyTorch: Adam 0.003, then L-BFGS"
    return _rows(name, [result], note, "", mean(result.error for result in ours), "points_seen")


def measure_curves(quick: bool = False) -> dict[str, list]:
    """Return the looks (forwards, seconds, relative L2) of each way to solve hjb-lin-20, by name, for one seed."""
    by_name, seed = {case.name: case for case in CASES}, SEEDS[0]
    zo, head = by_name["hjb-lin-20-zo"], by_name["hjb-lin-20"]
    grid = Case("seed", zo.problem, 1.0, (published(SparseGrid(level=3, sigma=0.1), 2 if quick else SEED_STEPS),))
    cheap = Case("seed-taylor", zo.problem, 1.0, (published(Taylor(), 2 if quick else STEPS),))
    if quick:
        few = {"points": 2, "max_steps": 1}
        grid, cheap = (Case(c.name, c.problem, 1.0, (c.phases[0] | few,)) for c in (grid, cheap))
        zo, head = quickly(zo), quickly(head)
    test = zo.problem().test_points(2000)
    every = {"seed": 2, "seed-taylor": 2, zo.name: 50, head.name: 1}
    return {case.name: run_case(case, seed, test, every[case.name]).looks for case in (grid, cheap, zo, head)}


def curve_rows(curves) -> list[dict]:
    """Return the rows of the published setting: at the end with either rule, and with both after the same steps."""
    rows, (own, cheap) = [], (curves["seed"], curves["seed-taylor"])
    for name in ("seed", "seed-taylor"):
        forwards, seconds, error = curves[name][-1]
        rule = "SparseGrid(3, 0.1)" if name == "seed" else "Taylor"
        steps = f"{SEED_STEPS if name == 'seed' else STEPS} steps"
        for metric, value, unit in (
            ("relative_l2", error, "1"), ("forwards", forwards, "passes"), ("seconds", seconds, "s"),
        ):  # fmt: skip
            rows.append(row("pde", f"hjb-lin-20/{name}", metric, value, unit, f"{SEED_NOTE}, {rule}, {steps}"))
    same = cheap[min(len(own), len(cheap)) - 1]
    note = f"{SEED_NOTE}, Taylor, as many steps as hjb-lin-20/seed"
    for metric, value, theirs, unit in zip(
        ("forwards", "seconds", "relative_l2"), same, own[-1], ("passes", "s", "1"), strict=True
    ):
        rows.append(row("pde", "hjb-lin-20/seed-taylor-short", metric, value, unit, note, value / theirs))
    return rows


def write_csv(curves, path) -> None:
    """Write one line per look: way, forwards, seconds, relative L2."""
    with replacing(path) as draft, open(draft, "w", newline="", encoding="utf-8") as file:
        out = tables.writer(file, lineterminator="\n")
        out.writerow(["way", "forwards", "seconds", "relative_l2"])
        for name, looks in curves.items():
            out.writerows([name, forwards, f"{seconds:.2f}", f"{error:.4g}"] for forwards, seconds, error in looks)


def _slug(name: str) -> str:
    """Return the name of a floor in the form of a case's name."""
    return name.replace(" + ", "+").replace(" ", "-")
