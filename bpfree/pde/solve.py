# SPDX-License-Identifier: MIT
"""Solves a problem step by step until a limit, a callback or a failure ends it."""

from __future__ import annotations

import time

import numpy as np

from bpfree.blas import threads_for
from bpfree.errors import check_choice, check_count, check_functions, check_positive, check_seed, check_unmasked
from bpfree.estimators.step import Outcome
from bpfree.model import Model
from bpfree.pde.choices import (
    check_curved,
    check_kinds,
    choose_method,
    choose_rule,
    make_network,
    points_of_terms,
)
from bpfree.pde.held_out import Judgement, is_falling, judge_solution
from bpfree.pde.history import JUDGED, Look
from bpfree.pde.methods.table import Method
from bpfree.pde.missing_conditions import conditions_in_excess, missing_conditions
from bpfree.pde.objective import Objective, square
from bpfree.pde.problem import Problem
from bpfree.pde.rules.precision import check_precision
from bpfree.pde.rules.table import Rule
from bpfree.pde.samplers import SAMPLERS
from bpfree.pde.solution import Solution
from bpfree.pde.solved import first_theta
from bpfree.pde.twin import Twin
from bpfree.pde.well_posed import warn_once
from bpfree.pde.wrong_column import EARLY, wrong_column
from bpfree.screen.progress import live_bar

FILLED = 3
"""Number of dimensions up to which the same points suffice for all steps."""


def solve(
    problem: Problem,
    network: Model | None = None,
    *,
    rule: Rule | None = None,
    method: Method | None = None,
    points=None,
    sampler: str = "sobol",
    resample_every: int | None = None,
    engine=None,
    max_steps: int | None = None,
    max_forwards: float | None = None,
    max_seconds: float | None = None,
    tolerance: float | None = None,
    precision: float = 1e-3,
    test_points=None,
    look_every: int | None = None,
    callbacks=(),
    progress: bool | None = None,
    seed: int = 0,
) -> Solution:
    """Solve a PDE with forward passes only, by lowering the residuals of a network at collocation points.

    Args:
        problem: a problem of the library, such as Burgers(), or one of your own.
        network: an untrained Model, or the model of a solution, to go on from it; default: the problem's own network.
        rule: the rule for derivatives in space; default Taylor(), which is exact, where the engine gives access to
            the layers, else Differences().
        method: the method that moves the parameters; default LevenbergMarquardt() for up to 5,000 of them. `explain`
            says which rule and method would be chosen, and why.
        points: the number of points inside the domain, or the points (n, dim) themselves; terms on boundaries get
            their share of this number. Or {term: number or points}.
        sampler: one of SAMPLERS.
        resample_every: steps after which points are drawn anew; 0: never. By default, points stay in up to three
            dimensions, which a few points fill, and where they are given; beyond, they are new every step.
        engine: the engine; default: the reference engine in float64. In another precision, rules whose rounding
            errors exceed `precision` are refused.
        max_steps: limit on the number of steps; default, if there is no other limit: that of the method.
        max_forwards: limit on all multiply-accumulates, in passes of one sample. A step that would exceed it is not
            begun. The first limit that is reached ends the solve.
        max_seconds: limit on the time of all steps in seconds; one step is made in any case. Measuring errors does not
            count, and is left out between steps where it takes longer than they do.
        tolerance: loss at which the solve ends.
        precision: the largest error that rounding may cause, in units of the derivatives.
        test_points: points (n, dim) where the error is measured; default `problem.test_points()`. They influence
            nothing, and measuring at them does not count as forwards.
        look_every: steps between two measurements of terms and error.
        callbacks: a function of (step, history), or several; returning False ends the solve.
        progress: whether to show a live bar with every term and the error; default: if stderr is a terminal.
        seed: the seed of the network, the points and random directions.

    Where the points stay the same, the step with the lowest loss is returned. A numeric failure is a result:
    `solution.outcome_code` names it, and `solution.outcome` gives advice.

    >>> import bpfree as bf
    >>> solution = solve(bf.pde.Poisson(dim=1), points=64, max_steps=20)
    >>> solution.outcome_code, solution.error("relative_l2") < 1e-3
    ('done', True)
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: expected a problem such as bpfree.pde.Poisson(), got {problem!r}")
    points = points_of_terms(problem, points)
    check_choice("sampler", sampler, SAMPLERS)
    for name, value in (("max_forwards", max_forwards), ("max_seconds", max_seconds), ("tolerance", tolerance)):
        if value is not None:
            check_positive(name, value)
    for name, value in (("max_steps", max_steps), ("look_every", look_every)):
        if value is not None:
            check_count(name, value)
    if resample_every is None:
        resample_every = int(problem.domain.dim > FILLED and not isinstance(points["residual"], np.ndarray))
    check_count("resample_every", resample_every, 0)
    callbacks = check_functions("callbacks", callbacks, "(step, history)")
    model = problem.network(seed) if network is None else network
    net = make_network(problem, model, engine)
    rule = choose_rule(net) if rule is None else rule
    check_kinds(rule, method)
    if test_points is not None:
        test_points = problem.domain.check(np.asarray(check_unmasked("test_points", test_points), float), "test_points")
    twin = Twin(problem, net, given=network is not None)
    objective = Objective(twin.problem, twin.network, rule, points, sampler, resample_every or None, check_seed(seed))
    method = choose_method(problem, net, objective.at(0).coupled) if method is None else method
    if max_steps is None and max_forwards is None and max_seconds is None:
        max_steps = method.steps
    limits = {"done": max_steps, "budget": max_forwards, "time": max_seconds, "tolerance": tolerance}
    solving = _Solving(twin, objective, limits, look_every or method.look_every)
    solving.prepare(problem, model, method, precision, test_points)
    solving.run(callbacks, progress)
    return solving.solution


class _Solving:
    """The state of a solve: the iteration of the method, the time, and the best parameters so far.

    limits: {the outcome code of reaching it: a limit, or None}. look_every: steps between two measurements. Where the
    time is limited, measuring errors between steps takes no longer than the steps.
    """

    def __init__(self, twin, objective, limits: dict, look_every: int):
        self.twin, self.objective, self.limits, self.look_every = twin, objective, limits, look_every
        self.note, self.stepping, self.looking = "", 0.0, 0.0  # what the method says; seconds

    def prepare(self, problem, model, method, precision: float, test_points) -> None:
        """Warn of what is doubtful, refuse what is too coarse, and make the solution that the steps improve."""
        residuals, points = self.objective.at(0), self.objective.counts["residual"]
        check_curved(problem, model.graph, residuals)
        self.missing = missing_conditions(problem, residuals.parts[0], trained=model.graph.n_theta > 0)
        if self.missing:
            warn_once(problem, self.missing.text)
        dtype = self.twin.network.dtype
        if dtype != np.float64:
            for part, stencil in zip(residuals.parts, residuals.stencils):
                check_precision(stencil, part.wanted, dtype, precision)
        given = points if isinstance(points, np.ndarray) else None
        how = (self.objective.rule, method, self.objective.seed, residuals.counts)
        theta = first_theta(problem, model)
        self.solution = Solution(problem, model.graph, theta, model.frozen, *how, test_points, given)
        self.solution.coupled, self.history = residuals.coupled, self.solution.history
        self.iteration, self.theta = method.start(self.objective), self.twin.enter(theta)
        self.best, self.began = (np.inf, self.theta), time.perf_counter()

    def run(self, callbacks, progress) -> None:
        """Take steps until a limit, a callback or a failure ends the solve."""
        h, total = self.history, self.limits["done"]
        with threads_for(self.iteration.largest_product(0)):
            if not self.begin():
                return
            total = total or int((self.limits["budget"] or 0) // max(1, self.iteration.cost(0)))
            with live_bar(total, f"solving {self.solution.asked.name}", progress) as show:
                while not self.over():
                    self.step()
                    show(h.steps, self.text())
                    answers = [callback(h.steps - 1, h) for callback in callbacks]
                    if h.outcome_code == "running" and any(answer is False for answer in answers):
                        h.end("callback", f"stopped by the callback after step {h.steps - 1}")
            self.end()

    def begin(self) -> bool:
        """Take the first measurement; return False where the residual is not finite at the start."""
        residuals = self.objective.at(0)
        r = residuals(self.theta)
        self._look(0, r)
        broken = residuals.where_not_finite(r)
        if broken:
            advice = "check the formula and the domain there"
            self.history.end("nonfinite_loss", f"before the first step {broken}: {advice}")
        return not broken

    def over(self) -> bool:
        """Return whether the solve has ended, and note the reason in the history."""
        h, limits = self.history, self.limits
        if h.outcome_code != "running":
            return True
        if limits["tolerance"] is not None and h.losses and h.losses[-1] <= limits["tolerance"]:
            limit = f"not above tolerance={limits['tolerance']:g}"
            h.end("tolerance", f"tolerance: the loss is {h.losses[-1]:.3g}, {limit}")
        elif limits["done"] is not None and h.steps >= limits["done"]:
            h.end("done")
        elif limits["time"] is not None and h.steps and self.stepping >= limits["time"]:
            looks = f", and {self.looking:.1f} s more with measurements" if self.looking > 0.1 * self.stepping else ""
            h.end("time", f"time: max_seconds={limits['time']:g} have passed with steps{looks}")
        elif limits["budget"] is not None:
            cost = self.iteration.cost(h.steps)
            if self.objective.forwards + cost > limits["budget"]:
                spent = f"{self.objective.forwards:,} are spent, and a step needs {cost:,}"
                h.end("budget", f"budget: max_forwards={limits['budget']:,.0f}, {spent}")
        return h.outcome_code != "running"

    def step(self) -> None:
        """Take one step of the method, and a measurement when one is due."""
        h, number, began = self.history, self.history.steps, time.perf_counter()
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # such steps are refused, or end the solve
            moved = self.iteration.step(self.theta, number)
        self.note, self.stepping = moved.note, self.stepping + time.perf_counter() - began
        h.forwards, h.seconds = self.objective.forwards, time.perf_counter() - self.began
        if moved.code is not None:
            early = moved.code == "stalled" and number < EARLY
            more = wrong_column(self.objective, self.solution.method, self.theta, number) if early else ""
            h.end(moved.code, moved.advice + more)
        if not moved.made:
            return
        self.theta = moved.theta
        h.losses.append(moved.loss)
        if h.steps % self.look_every == 0:
            self._look(h.steps, moved.r, self.limits["time"] is None or self.looking <= self.stepping)

    def end(self) -> None:
        """Take the last measurement, and choose the theta to return: the best one where all losses are comparable."""
        looks, steps = self.history.looks, self.history.steps
        if looks[-1].step == steps and np.isnan(looks[-1].error) and self.solution.problem.reference is not None:
            looks.pop()  # a measurement without the error, for want of time
        if not looks or looks[-1].step != steps:
            self._look(steps, None)
        if self.objective.fixed and self.best[0] < np.inf:
            self.theta = self.best[1]
        self.solution.theta = self.twin.leave(self.theta)
        self._judge()

    def _judge(self) -> None:
        """Say so where conditions are missing, or where equations do not hold at or between the last step's points."""
        h = self.history
        if h.outcome_code not in JUDGED:
            return
        found = Judgement(self.missing) if self.missing else self._judgement(max(0, h.steps - 1))
        if found.outcome:
            code, text = found.outcome
            h.end(code, f"{code}: {text} (the solve ended with {h.outcome})")
        elif found.remark:
            h.remark, h.outcome = found.remark, f"{h.outcome}, but {found.remark}"

    def _judgement(self, step: int) -> Judgement:
        """Return that of held-out points; too many conditions explain why a solve of enough steps failed."""
        found = judge_solution(self.objective, self.theta, step, self.twin.spread, self.history)
        if not found.outcome:
            return found
        excess = conditions_in_excess(self.solution.asked, self.objective.at(step).parts[0])
        if not excess:
            return found
        code, text = found.outcome
        if code == "unsolved" and is_falling(self.history):
            return Judgement(Outcome(code, f"{text}; {excess}"))
        return Judgement(Outcome("overdetermined", f"{excess}: {text.partition(': ')[0]}"))

    def _look(self, step, r, measured: bool = True) -> None:
        h, residuals, began = self.history, self.objective.at(max(0, step - 1)), time.perf_counter()
        if r is None:
            with residuals.uncounted():
                r = residuals(self.theta)
        loss = square(r)
        if loss < self.best[0]:
            self.best = loss, self.theta
        self.solution.theta = self.twin.leave(self.theta)
        h.forwards, h.seconds = self.objective.forwards, time.perf_counter() - self.began
        measured = measured and self.solution.problem.reference is not None
        error = self.solution.error() if measured else float("nan")
        h.looks.append(Look(step, loss, residuals.terms_of(r), error, h.forwards, h.seconds))
        self.looking += time.perf_counter() - began

    def text(self) -> str:
        """Return the text beside the progress bar."""
        look, h = self.history.looks[-1], self.history
        terms = "  ".join(f"{name} {value:.2e}" for name, value in look.terms.items())
        error = "" if np.isnan(look.error) else f"  rel. L2 {look.error:.2e}"
        loss = f"loss {h.losses[-1]:.3e}" if h.losses else ""
        return f"{loss}  {terms}{error}  {h.forwards:,} forwards  {self.note}"
