# SPDX-License-Identifier: MIT
"""`bpfree solve PROBLEM`: a partial differential equation, with forward passes only."""

from __future__ import annotations

import math
from dataclasses import asdict
from inspect import signature

import click

from bpfree.cli.commands import Command, Failure, option, usage
from bpfree.cli.interrupt import asked_to_stop
from bpfree.cli.output import Grid, NewFile, NewPicture, Screen, json_option, replace_file

RULES = ("taylor", "differences", "stein", "sparse_grid", "random_directions")
"""Names of bpfree.pde.rules.RULES, which is not loaded for --help; tests/cli/test_solve.py compares them."""

METHODS = ("levenberg_marquardt", "gauss_newton", "least_squares_head", "first_order", "structured_gradient")
"""Those of bpfree.pde.methods.METHODS that need no other one."""

_FAILED = ("nonfinite_loss", "overflow")


@click.command(
    cls=Command,
    examples=(
        ("bpfree solve --list", "the problems there are"),
        ("bpfree solve poisson --max-steps 30", "one of them: error, floors, cost"),
        ("bpfree solve hjb_lqg --dim 5 --max-steps 10 --plot hjb.png", "in five dimensions, with a picture"),
        ("bpfree solve black_scholes --explain", "what each derivative rule would cost and promise"),
        ("bpfree solve heat --method first_order --max-forwards 3e5 --json -", "from losses alone, as JSON"),
    ),
    after="`bpfree.pde` in Python solves equations of your own: see the page on PDEs in the documentation.",
)
@click.argument("problem", required=False)
@option("--list", "listing", is_flag=True, group="What", help="List the problems, and end.")
@option("--explain", "explaining", is_flag=True, group="What",
        help="Say which rule and method would be chosen and why, what each rule costs and promises, and end.")
@option("--dim", type=int, metavar="N", group="What", help="Dimensions, of problems that have them in any number.")
@option("--rule", type=click.Choice(RULES), group="How",
        help="Where derivatives in space come from; default: taylor, exact, streams that go through the network.")
@option("--method", type=click.Choice(METHODS), group="How",
        help="How parameters move; default: levenberg_marquardt for up to 5,000 of them. first_order looks at losses "
        "only.")
@option("--points", type=int, metavar="N", group="How", help="Collocation points inside; default: the problem's.")
@option("--resample-every", type=int, metavar="N", group="How",
        help="Steps after which all points are new, 0: never; default: 0 up to three dimensions, 1 beyond.")
@option("--seed", type=int, default=0, show_default=True, metavar="N", group="How",
        help="Of the network, the points and random directions.")
@option("--max-steps", type=int, metavar="N", group="How long", help="Steps; default: the method's.")
@option("--max-forwards", type=float, metavar="N", group="How long",
        help="All multiply-accumulates, in forward passes of one sample.")
@option("--max-seconds", type=float, metavar="X", group="How long", help="Seconds.")
@option("--tolerance", type=float, metavar="X", group="How long", help="End when the loss is this small.")
@option("--save", type=NewFile(), metavar="FILE", group="Output", help="The solution, as .npz.")
@option("--plot", type=NewPicture(), metavar="FILE", group="Output",
        help="A picture of solution, reference, error and history (needs matplotlib).")
@json_option
def solve(problem, listing, explaining, dim, rule, method, save, plot, json_file, **settings):  # fmt: skip
    """Solve PROBLEM and print the error of what is found beside those of trivial answers.

    Neither space nor parameters are differentiated backwards: derivatives of the
    solution come from forward passes, and so does the Jacobian of the residuals
    that the method works with.
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
        chosen = _problem(PROBLEMS[problem].settings, dim)
        if explaining:
            return _explain(screen, pde.explain(chosen), problem)
        with asked_to_stop() as stop:
            solution = pde.solve(
                chosen,
                rule=None if rule is None else rules[rule].settings(),
                method=None if method is None else methods[method].settings(),
                callbacks=lambda step, history: not stop.asked,
                **settings,
            )
    screen.say(solution.summary())
    for path, write in ((save, solution.save), (plot, solution.plot)):
        if path is not None:
            replace_file(path, write)
            screen.say(f"wrote {path}")
    screen.result("solve", _document(solution, problem))
    if solution.outcome_code in _FAILED:
        raise Failure(solution.outcome)
    return None


def _problem(settings, dim):
    if dim is None:
        return settings()
    if "dim" not in signature(settings).parameters:
        raise click.UsageError(f"--dim: {settings.__name__} has dimensions of its own: leave it out")
    return settings(dim=dim)


def _list(screen, problems) -> None:
    table = Grid("problem", "what")
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
    screen.say("floor: what rounding of u alone leaves in a derivative, by precision; bias comes on top")
    screen.say(found.why)
    rules = [{key: _number(value) for key, value in asdict(row).items()} for row in found.rules]
    screen.result("solve", {"problem": name, "rules": rules, "why": found.why})


def _number(value):
    """JSON has no NaN and no infinity."""
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
    }
