# SPDX-License-Identifier: MIT
"""Judges a solution by its residuals at points that it has not seen: a network can fit equations at points alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bpfree.estimators.step import Outcome
from bpfree.pde.inside import MOST, between
from bpfree.pde.residuals import Residuals, TermRows
from bpfree.pde.sizes import scales_of, size_of_terms
from bpfree.pde.term import Term
from bpfree.pde.trial import finite_or_0

SEED = 0x4E1D0000
"""Number that is combined with the seeds of held-out points, so that they differ from those of a step and of a test."""

FITTED = 30
"""Ratio of the residuals at held-out points to those at the points of the solve from which on the latter are fitted."""

HELD = 1e-2
"""Share of the size of its terms up to which an equation counts as held. Of solutions whose error is known, those with
less than 1e-6 have 1e-9 to 1e-5 at held-out points, and those with more than 0.09, 0.2 to 1."""

UNSOLVED = 0.3
"""Share of the size of its terms from which on an equation is not solved even at the points of the solve: an answer
with 0.27 was off by 0.15, one with 0.32 by 1.0."""

ROUGH = 0.03
"""The share at held-out points from which on an answer is rough: errors of 0.04 to 0.2 where they are known."""

FALLING = 0.9
"""Ratio of the losses a tenth of the steps apart up to which the loss still falls."""

MORE_POINTS = "more points, above all where the solution is steep"


class Judgement(NamedTuple):
    """What points that a solve has not seen say of its solution; nothing where all is well.

    outcome: the outcome of the solve where equations do not hold at its points, or not between them.
    remark: what to say of a rough answer, which may be what was asked for, so that the outcome stays.
    """

    outcome: Outcome | None = None
    remark: str = ""


def judge_solution(objective, theta, step: int, spread, history) -> Judgement:
    """Return the judgement of the solution theta of a step.

    An equation is off by the rms of its rows divided by the rms of its terms (dr/dq) q, where q are the quantities that
    it reads: u, its derivatives; r at q = 0, a source, is another term. Conditions may be about values of 0, so their
    q is the rms inside the domain. spread: that of the outputs, as a solve takes it to be.
    history: that of the solve.
    """
    solved, seed = objective.at(step), objective.seed
    points = {
        part.term.name: _fresh(solved, part, objective.counts, objective.sampler, (seed + k) % 2**32 ^ SEED)
        for k, part in enumerate(solved.parts)
    }
    held_out = Residuals(objective.problem, objective.network, objective.rule, points, seed, step)
    rows = _compare(solved, held_out, theta, spread)
    fitted = [row for row in rows if row[1] > max(HELD, FITTED * row[2])]
    if fitted:
        return Judgement(_advice(objective, solved, *max(fitted, key=lambda row: row[1])))
    name, _, there = max(rows, key=lambda row: row[2])
    if there > UNSOLVED:
        text = f"{name} is still off by {there:.2g} of the size of its terms, so this is no solution"
        return Judgement(Outcome("unsolved", f"{text}: {_next(objective.problem, history)}"))
    name, off, _ = max(rows, key=lambda row: row[1])
    if off > ROUGH:
        text = f"{name} is off by {off:.2g} of the size of its terms, so this is a rough answer"
        return Judgement(remark=f"{text}: {_next(objective.problem, history)}")
    return Judgement()


def is_falling(history) -> bool:
    """Return whether the loss fell to the end, or there are too few steps to tell."""
    losses, few = history.losses, len(history.losses) < 10
    return history.outcome_code != "stalled" and (few or losses[-1] <= FALLING * losses[-1 - len(losses) // 10])


def _next(problem, history) -> str:
    """Return what to try where the equations do not hold at the points of the solve, from its history."""
    starts = f", another start of {', '.join(problem.unknowns)}" if problem.unknowns else ""
    if is_falling(history):
        return f"the loss still falls: try more steps (solve(problem, solution.model) goes on from here){starts}"
    return f"the loss no longer falls: try another seed{starts}, {MORE_POINTS}{_windows(problem)}"


def _fresh(solved, part, counts, sampler, seed):
    """Return other points of a term: drawn as its own were, or between given ones, where the summary measures too.

    Where rows depend on the other points, as of a quadrature, given points are the only ones at which they hold.
    """
    given = counts[part.term.name]
    if not isinstance(given, np.ndarray):
        return part.term.sample(min(given, MOST), sampler, seed)
    return given if part.term.name in solved.coupled else between(given, part.problem.domain)


def _compare(solved, held_out, theta, spread):
    """Return (term, by how much it is off at held-out points, by how much at those of the solve) of all equations."""
    own, problem = solved.split(theta)
    inside, found = held_out.parts[0], []
    scales = scales_of(_rows(held_out, problem, own, inside)[1], spread)
    for part, other in zip(solved.parts, held_out.parts):
        rows, (held, fields, stencil) = _rows(solved, problem, own, part)[0], _rows(held_out, problem, own, other)
        typical = None if other is inside else _typical(held_out, problem, own, other, inside)
        sizes = size_of_terms(other, problem, fields, stencil, scales, typical)
        rms = [np.sqrt((one**2).mean(axis=1)) for one in (rows, held)]
        for there, here, size in zip(*rms, sizes):
            found.append((part.term.name, float(here / size), float(there / size)) if size > 0 else ("", 0.0, 0.0))
    return found


def _stencil(residuals, part):
    return residuals.stencils[residuals.parts.index(part)]


def _rows(residuals, problem, own, part):
    """Return the rows of a term, its fields, and its stencil."""
    stencil = _stencil(residuals, part)
    fields = part.fields(problem, *residuals.network.jets(own, part.all_points(), stencil), stencil)
    return part.formula_rows(problem, fields, stencil), fields, stencil


def _typical(residuals, problem, own, part, inside):
    """Return {(field, quantity): its rms inside the domain} of what a condition reads; None stands for the value."""
    names = problem.outputs

    def formula(problem, u, c):
        fields = [u] if len(names) == 1 else [getattr(u, name) for name in names]
        return tuple(one.value if q is None else one._look(q) for one in fields for q in (None, *part.wanted))

    term = TermRows(problem, Term("sizes", formula, None), inside.points, inside.points.dtype)
    stencil = residuals.rule.stencil(term.wanted, problem.domain, residuals.network.dtype)
    rows = term.values(problem, *residuals.network.jets(own, term.points, stencil), stencil)
    keys = [(k, quantity) for k in range(len(names)) for quantity in (None, *part.wanted)]
    return dict(zip(keys, np.sqrt((finite_or_0(rows) ** 2).mean(axis=1)), strict=True))


def _advice(objective, solved, name, off, there) -> Outcome:
    """Return the outcome."""
    equations, d = solved.size, solved.n_network + solved.n_unknown
    text = f"{name} is off by {off:.2g} of the size of its terms at new points, by {there:.1g} at those of the solve"
    if equations < d:
        n = solved.counts["residual"]
        text += f", where {equations:,} equations are fitted by {d:,} parameters"
        enough = -(-n * d // equations)
        more = f"more points (from {enough:,} there is an equation for each parameter), a smaller network"
    else:
        more = MORE_POINTS
    advice = f"try {more}, new points from time to time (resample_every){_windows(objective.problem)}"
    return Outcome("underdetermined", f"{text}: {advice}")


def _windows(problem) -> str:
    return ", or windows of time one after the other" if "t" in problem.domain.names else ""
