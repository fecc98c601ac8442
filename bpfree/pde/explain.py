# SPDX-License-Identifier: MIT
"""Explains which rule and method would be chosen, and compares passes, bias, noise gain and floor of all rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.pde.choices import MOST_PARAMETERS, choose_method, choose_rule, make_network
from bpfree.pde.locality import FEW, is_coupled
from bpfree.pde.methods.first_order import FirstOrder, StructuredGradient
from bpfree.pde.methods.levenberg_marquardt import LevenbergMarquardt
from bpfree.pde.residuals import TermRows
from bpfree.pde.rules import RULES
from bpfree.pde.rules.precision import noise_gain


@dataclass(frozen=True)
class RuleReport:
    """The cost and the accuracy of a rule for one problem.

    name: the name of the rule.
    passes: forward passes per point inside.
    bias_order: the order of the bias; None: the rule is exact.
    noise_gain: the largest noise gain of the derivatives that the problem needs.
    floor64, floor32: the error from rounding alone in float64 and float32, which is noise gain times eps, with the
    default steps of that precision; inf: refused there.
    error: the reason why the rule cannot be used here, or "".
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
    """The result of `explain`; its str() is a table for people.

    rules: a RuleReport for each rule.
    rule, method: the rule and the method that would be chosen.
    why: the reasons, in words.
    """

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
    """Return which rule and method `solve` would choose for a problem, and the cost and accuracy of each rule.

    rules: the rules to compare, {name: rule}; default: those of the library with their defaults.

    The floor of a rule is eps times its noise gain: the error of the derivatives from the rounding of u alone, to
    which the bias is added.

    >>> import bpfree as bf
    >>> print(explain(bf.pde.Burgers()).why)
    taylor: the exact rule with the fewest passes (4 per point inside)
    LevenbergMarquardt: 921 parameters: J^T J is small enough to be factorised (up to 5,000)
    """
    net = make_network(problem, problem.network() if network is None else network, engine)
    term = problem.terms()[0]
    part = TermRows(problem, term, term.sample(1, "uniform", 0), np.dtype(np.float64))
    rules = {row.name: row.settings() for row in RULES} if rules is None else rules
    reports = [_report(name, rule, part, problem) for name, rule in rules.items()]
    rule = choose_rule(net)
    stencil = rule.stencil(part.wanted, problem.domain, net.dtype)
    some = TermRows(problem, term, term.sample(FEW, "uniform", 0), np.dtype(np.float64))
    coupled = is_coupled(some, problem, stencil)
    method, passes = choose_method(problem, net, coupled), stencil.passes
    d = net.graph.n_theta + len(problem.unknowns)
    if rule.bias_order is None:
        why = f"taylor: the exact rule with the fewest passes ({passes} per point inside)"
    else:
        why = f"differences: the rule with the fewest passes where only values of u are known ({passes} per point)"
    kind, hidden = type(method).__name__, "the engine gives no access to the layers"
    reasons = {
        LevenbergMarquardt: f"{d:,} parameters: J^T J is small enough to be factorised (up to {MOST_PARAMETERS:,})",
        StructuredGradient: f"{d:,} parameters: too many for J^T J, so only the gradient is used",
        FirstOrder: f"{d:,} parameters: too many for J^T J, and {'rows depend on other points' if coupled else hidden}",
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
