# SPDX-License-Identifier: MIT
"""`bpfree solve PROBLEM`: solve a partial differential equation with forward passes only."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict
from inspect import signature

import click

from bpfree.cli.commands import Command, Failure, option, printable, usage
from bpfree.cli.interrupt import asked_to_stop
from bpfree.cli.output import Grid, NewFile, NewPicture, Screen, json_option, replace_file
from bpfree.cli.own_rows import KindName, current, rows_option
from bpfree.cli.rescue import save_or_rescue
from bpfree.estimators.step import FAILURES

RULES = (
    # rules: written by make generate
    "taylor",
    "differences",
    "stein",
    "sparse_grid",
    "random_directions",
    # rules: end
)
"""Names of bpfree.pde.rules.RULES, which is not loaded for --help; a test compares them."""

METHODS = ("levenberg_marquardt", "gauss_newton", "least_squares_head", "first_order", "structured_gradient")
"""Names of the bpfree.pde.methods.METHODS that work alone; a test compares them."""

_FAILED = (*FAILURES, "unsolved", "overdetermined")
"""Outcomes of a solve that has no answer."""

_DOUBTFUL = ("underdetermined", "ill_posed")
"""Outcomes of a solve whose answer may be wrong: a warning, as nothing failed."""


def _rule_class() -> type:
    from bpfree.pde import Rule

    return Rule


@click.command(
    cls=Command,
    examples=(
        ("bpfree solve --list", "list the problems"),
        ("bpfree solve poisson --max-steps 30", "solve one of them: error, floors, cost"),
        ("bpfree solve hjb_lqg --dim 5 --max-steps 10 --plot hjb.png", "solve in five dimensions, with a picture"),
        ("bpfree solve black_scholes --explain", "show the cost and accuracy of each derivative rule"),
        ("bpfree solve heat --method least_squares_head --json -", "solve for the last layer alone, and print JSON"),
    ),
    after="`bpfree.pde` in Python solves equations of your own: see the page on PDEs in the documentation.",
)
@click.argument("problem", required=False)
@option("--list", "listing", is_flag=True, group="What", help="List the problems, and exit.")
@option("--explain", "explaining", is_flag=True, group="What",
        help="Show which rule and method would be chosen and why, and the cost and accuracy of each rule, and exit.")
@option("--dim", type=int, metavar="N", group="What",
        help="Number of dimensions, for problems that are defined in any number.")
@option("--rule", type=KindName(RULES, _rule_class), group="How",
        help="Rule for derivatives in space; default: taylor, which is exact and carries them through the network.")
@option("--method", type=click.Choice(METHODS), group="How",
        help="Method that moves the parameters; default: levenberg_marquardt for up to 5,000 of them. first_order uses "
        "losses only.")
@option("--points", type=int, metavar="N", group="How",
        help="Number of collocation points inside the domain; default: the problem's.")
@option("--resample-every", type=int, metavar="N", group="How",
        help="Steps between drawing all points anew, 0: never; default: 0 up to three dimensions, 1 beyond.")
@option("--seed", type=int, default=0, show_default=True, metavar="N", group="How",
        help="Seed of the network, the points and random directions.")
@option("--max-steps", type=int, metavar="N", group="How long", help="Number of steps; default: the method's.")
@option("--max-forwards", type=float, metavar="N", group="How long",
        help="Limit on all multiply-accumulates, in forward passes of one sample.")
@option("--max-seconds", type=float, metavar="X", group="How long",
        help="Limit on the time of the steps, in seconds; one step is made in any case.")
@option("--tolerance", type=float, metavar="X", group="How long", help="Loss at which the run ends.")
@option("--save", type=NewFile(), metavar="FILE", group="Output", help="File for the solution, .npz.")
@option("--plot", type=NewPicture(), metavar="FILE", group="Output",
        help="File for a picture of solution, reference, error and history (needs matplotlib).")
@rows_option
@json_option
def solve(problem, listing, explaining, dim, rule, method, save, plot, json_file, **settings):  # fmt: skip
    """Solve PROBLEM, and print the error of the solution beside the errors of trivial answers.

    Nothing is differentiated backwards, neither in space nor in the parameters:
    the derivatives of the solution and the Jacobian of the residuals, which the
    method needs, both come from forward passes. Ctrl-C or SIGTERM ends the run
    after the current step, and writes what was asked for.
    """
    from bpfree import pde
    from bpfree.pde.methods import METHODS as methods
    from bpfree.pde.problems import PROBLEMS
    from bpfree.pde.rules import RULES as rules

    screen = Screen(json_file)
    if listing:
        return _list(screen, PROBLEMS)
    if problem is None:
        raise click.UsageError("PROBLEM: expected one of those that --list shows")
    with usage():
        chosen = _problem(current().kinds(pde.Problem).get(problem) or PROBLEMS[problem].settings, dim)
        if explaining:
            return _explain(screen, pde.explain(chosen), problem)
    with asked_to_stop() as stop:
        with usage():
            solution = pde.solve(
                chosen,
                rule=None if rule is None else (current().kinds(pde.Rule).get(rule) or rules[rule].settings)(),
                method=None if method is None else methods[method].settings(),
                callbacks=lambda step, history: not stop.asked,
                **settings,
            )
        stop.over = True
        if solution.outcome_code == "callback":
            solution.history.outcome = f"interrupted by {stop.name} after step {solution.history.steps}"
        screen.say(solution.summary())
        if save is not None:
            save_or_rescue(save, solution.save, "the solution")
            screen.say(f"wrote {save}")
        if plot is not None:
            replace_file(plot, solution.plot)
            screen.say(f"wrote {plot}")
        screen.result("solve", _document(solution, problem))
    if solution.outcome_code == "callback":
        sys.exit(stop.exit_code)
    if solution.outcome_code in _FAILED:
        raise Failure(solution.outcome)
    if solution.outcome_code in _DOUBTFUL or solution.history.remark:
        path = click.get_current_context().command_path
        click.echo(printable(f"{path}: warning: {solution.outcome}"), err=True)
    return None


def _problem(settings, dim):
    if dim is None:
        return settings()
    if "dim" not in signature(settings).parameters:
        raise click.UsageError(f"--dim: expected none for {settings.__name__}, whose dimensions are fixed, got {dim}")
    return settings(dim=dim)


def _list(screen, problems) -> None:
    table = Grid("problem", "description")
    for row in problems:
        table.row(row.name, row.what)
    screen.show(table)
    screen.result("solve", {"problems": {row.name: row.what for row in problems}})


def _explain(screen, found, name) -> None:
    table = Grid("rule", "passes", "bias", "noise gain", "floor f64", "floor f32", right=range(1, 6))
    for row in found.rules:
        if row.error:
            table.row(row.name, row.error, "", "", "", "")
            continue
        bias = "exact" if row.bias_order is None else f"h^{row.bias_order}"
        floors = (f"{row.floor64:.1e}", f"{row.floor32:.1e}")
        table.row(row.name, f"{row.passes:,}", bias, f"{row.noise_gain:.3g}", *floors)
    screen.show(table)
    screen.say("floor: the error of a derivative from the rounding of u alone, by precision; the bias adds to it")
    screen.say(found.why)
    rules = [{key: _number(value) for key, value in asdict(row).items()} for row in found.rules]
    screen.result("solve", {"problem": name, "rules": rules, "why": found.why})


def _number(value):
    """Return the value, or None for NaN and infinity, which JSON lacks."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _document(solution, name) -> dict:
    h, known = solution.history, solution.asked.reference is not None
    metrics = ("relative_l2", "relative_l1", "max", "residual_rms") if known else ("residual_rms",)
    return {
        "problem": name,
        "errors": {metric: solution.error(metric) for metric in metrics},
        "floors": solution.asked.floors(solution.test_points) if known else {},
        "unknowns": solution.unknowns,
        "parameters": solution.graph.n_theta,
        "rule": repr(solution.rule),
        "method": repr(solution.method),
        "tier": solution.method.tier,
        "points": solution.points,
        "steps": h.steps,
        "loss": h.losses[-1] if h.losses else None,
        "forwards": h.forwards,
        "seconds": h.seconds,
        "outcome": h.outcome_code,
        "advice": h.outcome,
        "remark": h.remark,
    }
