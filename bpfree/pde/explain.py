# SPDX-License-Identifier: MIT
"""Which rule and method would be chosen, why, and what every rule promises here: passes, bias, noise, error floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.pde.choices import MOST_PARAMETERS, choose_method, choose_rule, make_network
from bpfree.pde.methods.first_order import FirstOrder, StructuredGradient
from bpfree.pde.methods.levenberg_marquardt import LevenbergMarquardt
from bpfree.pde.residuals import TermRows
from bpfree.pde.rules import RULES
from bpfree.pde.rules.precision import noise_gain


@dataclass(frozen=True)
class RuleReport:
    """What a rule promises for one problem: passes a point inside, order of its bias (None: exact), the largest

    noise gain of the derivatives that are asked for, and what rounding alone makes of them in float64 and float32,
    noise gain times eps, each with the default steps of its precision; inf: refused there. error: why it cannot be used
    here, or "".
    """

    name: str
    passes: int = 0
    bias_order: int | None = None
    noise_gain: float = float("nan")
    floor64: float = float("nan")
    floor32: float = float("nan")
    error: str = ""


@dataclass(frozen=True)
class Explanation:
    """rules: a RuleReport each. rule, method: what would be chosen; why: in words."""

    rules: list[RuleReport]
    rule: object
    method: object
    why: str

    def __str__(self) -> str:
        lines = [f"{'rule':18} {'passes':>8} {'bias':>7} {'noise gain':>11} {'floor f64':>10} {'floor f32':>10}"]
        for row in self.rules:
            bias = "exact" if row.bias_order is None else f"h^{row.bias_order}"
            numbers = f"{row.passes:8,} {bias:>7} {row.noise_gain:11.3g} {row.floor64:10.1e} {row.floor32:10.1e}"
            lines.append(f"{row.name:18} {row.error or numbers}")
        return "\n".join([*lines, self.why])


def explain(problem, network=None, *, rules=None, engine=None) -> Explanation:
    """Which rule and method `solve` would take for a problem, and what each rule costs and promises there.

    rules: to be compared, {name: rule}; default: those of the library with their defaults.
    "floor": eps times the noise gain, what rounding of u alone leaves in the derivatives; bias comes on top.

    >>> import bpfree as bf
    >>> print(explain(bf.pde.Burgers()).why)
    taylor: exact to rounding, in the fewest passes of those that are (4 a point inside)
    LevenbergMarquardt: 921 parameters: J^T J is small enough to be solved with (up to 5,000)
    """
    net = make_network(problem, problem.network() if network is None else network, engine)
    term = problem.terms()[0]
    part = TermRows(problem, term, term.sample(1, "uniform", 0), np.dtype(np.float64))
    rules = {row.name: row.settings() for row in RULES} if rules is None else rules
    reports = [_report(name, rule, part, problem) for name, rule in rules.items()]
    rule, method = choose_rule(net), choose_method(problem, net)
    passes = rule.stencil(part.wanted, problem.domain, net.dtype).passes
    d = net.graph.n_theta + len(problem.unknowns)
    if rule.bias_order is None:
        why = f"taylor: exact to rounding, in the fewest passes of those that are ({passes} a point inside)"
    else:
        why = f"differences: the engine gives values of u alone, and these need the fewest passes ({passes} a point)"
    kind = type(method).__name__
    reasons = {
        LevenbergMarquardt: f"{d:,} parameters: J^T J is small enough to be solved with (up to {MOST_PARAMETERS:,})",
        StructuredGradient: f"{d:,} parameters: too many for J^T J, so the gradient alone",
        FirstOrder: f"{d:,} parameters: too many for J^T J, and the layers cannot be looked into",
    }
    return Explanation(reports, rule, method, f"{why}\n{kind}: {reasons[type(method)]}")


def _report(name, rule, part, problem) -> RuleReport:
    try:
        stencil = rule.stencil(part.wanted, problem.domain, np.dtype(np.float64))
    except (ValueError, TypeError, MemoryError) as error:
        return RuleReport(name, error=str(error))
    gain = _gain(stencil, part)
    try:
        single = _gain(rule.stencil(part.wanted, problem.domain, np.dtype(np.float32)), part)
    except ValueError:  # a step that float32 cannot resolve
        single = float("inf")
    floors = (gain * float(np.finfo(np.float64).eps), single * float(np.finfo(np.float32).eps))
    return RuleReport(name, stencil.passes, rule.bias_order, gain, *floors)


def _gain(stencil, part) -> float:
    return max((noise_gain(stencil, quantity) for quantity in part.wanted), default=1.0)
