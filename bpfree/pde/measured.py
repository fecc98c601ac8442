# SPDX-License-Identifier: MIT
"""What a summary says of the points at which it measures errors, and of a point that is far from all of them."""

from __future__ import annotations

from bpfree.pde.conditions import Terminal
from bpfree.pde.domain import Normal
from bpfree.pde.guesses import reference_at
from bpfree.pde.jacobian import coupling
from bpfree.pde.methods.first_order import FirstOrder
from bpfree.pde.problem import Problem


def where_measured(solution, told) -> str:
    """Return a line that says where errors and residuals are measured; told: whether errors are."""
    problem, points, inside = solution.asked, solution.test_points, solution.residual_points
    drawn = not solution.test_given and type(problem).test_points is Problem.test_points
    where = f": {_ranges(problem.domain)}" if drawn else " that were given" if solution.test_given else ""
    line = f"{'errors' if told else 'the residual'} at {len(points):,} test points{where}"
    if inside is points:
        return line
    which = "that were given" if solution.coupled else "between the given ones"
    own = f"the residual at {len(inside):,} points {which}"
    return f"{line}; {own}" if told else own


def at_the_centre(solution) -> list[str]:
    """Return a line about the middle of a domain without ends, which in many dimensions is far from all test points."""
    domain = solution.asked.domain
    if not any(isinstance(one, Normal) for one in domain.coordinates.values()):
        return []
    backwards = any(isinstance(one, Terminal) for one in solution.asked.conditions)
    at = {name: _middle(name, one, backwards) for name, one in domain.coordinates.items()}
    wanted, found = reference_at(solution.asked, domain.point(at))[0], solution.predict(at=at)
    where = ", ".join(f"{name} = {value:g}" for name, value in at.items())
    pairs = [f"{name} = {a:.6g} (reference {b:.6g})" for name, a, b in zip(solution.asked.outputs, found, wanted)]
    return [f"at {where}: {', '.join(pairs)}, {solution.error(at=at):.2%} off"]


def coupled_rows(solution) -> list[str]:
    """Return a line about formulas whose rows depend on points other than their own, and what follows from that."""
    reason = coupling(solution.coupled)
    if reason is None or isinstance(solution.method, FirstOrder):
        return [reason] if reason else []
    return [f"{reason}, so the Jacobian comes from moving one parameter after another (route black_box)"]


def _middle(name, one, backwards: bool) -> float:
    """Return the middle of a coordinate; of time, the end at which u is not prescribed."""
    if isinstance(one, Normal):
        return 0.0
    if name == "t":
        return one.low if backwards else one.high
    return (one.low + one.high) / 2


def _ranges(domain) -> str:
    texts = []
    for name, one in domain.coordinates.items():
        law = f"~ N(0, {one.scale**2:g})" if isinstance(one, Normal) else f"in [{one.low:g}, {one.high:g}]"
        texts.append(f"{name} {law}{f'^{one.dim}' if one.dim > 1 else ''}")
    return ", ".join(texts)
