# SPDX-License-Identifier: MIT
"""Checks or chooses the parts of a solve: the network, the rule, the method and the points."""

from __future__ import annotations

import numpy as np

from bpfree.engines import ReferenceEngine, get_engine
from bpfree.errors import check_count, check_unmasked
from bpfree.model import Model
from bpfree.pde.methods.first_order import FirstOrder, StructuredGradient
from bpfree.pde.methods.levenberg_marquardt import LevenbergMarquardt
from bpfree.pde.methods.table import Method
from bpfree.pde.network import Network
from bpfree.pde.rules.differences import Differences
from bpfree.pde.rules.table import Rule
from bpfree.pde.rules.taylor import Taylor
from bpfree.pde.unit_jacobian import refusal
from bpfree.pde.wanted import Laplacian, Second
from bpfree.pde.well_posed import warn_once

MOST_PARAMETERS = 5000
"""The number of parameters up to which Levenberg-Marquardt is chosen: each step takes d^2 floats for J^T J, and d^3 / 6
operations for its factor."""


def choose_rule(network):
    """Return Taylor where the engine gives access to the layers, else Differences."""
    return Taylor() if hasattr(network.engine, "arithmetic") or hasattr(network.engine, "jets") else Differences()


def choose_method(problem, network, coupled=()):
    """Return Levenberg-Marquardt while its matrices are small, else a gradient method, from losses only if need be.

    coupled: the names of terms whose rows depend on points other than their own.
    """
    d = network.graph.n_theta + len(problem.unknowns)
    if d <= MOST_PARAMETERS:
        return LevenbergMarquardt()
    return FirstOrder() if coupled or refusal(network) else StructuredGradient()


def make_network(problem, model, engine) -> Network:
    """Return the network of a problem in an engine; raise where its inputs or outputs do not fit."""
    if not isinstance(model, Model):
        raise TypeError(f"network: expected a Model, such as bpfree.Sequential returns, got {model!r}")
    shape, fits = (model.graph.input.size, model.graph.output.size), (problem.domain.dim, len(problem.outputs))
    if shape != fits:
        inputs, outputs = ", ".join(problem.domain.names), ", ".join(problem.outputs)
        expected = f"{fits[0]} inputs ({inputs}) and {fits[1]} outputs ({outputs})"
        raise ValueError(f"network: expected {expected}, got {shape[0]} and {shape[1]}")
    if model.graph.n_theta + len(problem.unknowns) == 0:
        raise ValueError("network: expected trainable parameters, or a problem with unknown coefficients, got neither")
    engine = ReferenceEngine(dtype=np.float64) if engine is None else get_engine(engine)
    return Network(model.graph, model.frozen, engine)


def check_kinds(rule, method) -> None:
    """Raise unless the rule is a Rule, and the method a Method or None."""
    if not isinstance(rule, Rule):
        raise TypeError(f"rule: expected a rule such as bpfree.pde.Taylor(), got {rule!r}")
    if method is not None and not isinstance(method, Method):
        raise TypeError(f"method: expected a method such as bpfree.LevenbergMarquardt(), got {method!r}")


def check_curved(problem, graph, residuals) -> None:
    """Warn where a problem needs second derivatives of a network that has none, such as one of ReLU."""
    ops = [node.op for node in graph.nodes]
    second = any(isinstance(one, Second | Laplacian) for part in residuals.parts for one in part.wanted)
    if second and not any(_bends(op) for op in ops):
        names = ", ".join(dict.fromkeys(op.name for op in ops))
        expected = "a smooth activation, such as Tanh or Sin, because the problem has second derivatives"
        warn_once(problem, f"network: expected {expected}, got {names}, whose second derivatives are 0 everywhere")


def _bends(op) -> bool:
    """Return whether the op's second derivative can be another than 0; True where an op has no jet."""
    curved = (op.elementwise and op.elementwise.curvature) or (op.jet and op.jet.taylor)
    return bool(curved) or not op.has_jet


def points_of_terms(problem, points) -> dict:
    """Return the points of each term, a number or an array (n, dim): as given, or the term's share of those inside."""
    terms = {term.name: term for term in problem.terms()}
    given = points if isinstance(points, dict) else {} if points is None else {"residual": points}
    unknown = [name for name in given if name not in terms]
    if unknown:
        raise ValueError(f"points: expected terms among {', '.join(terms)}, got {unknown[0]!r}")
    given = {name: _checked(problem, name, one) for name, one in given.items()}
    inside = given.get("residual", problem.points)
    inside = len(inside) if isinstance(inside, np.ndarray) else inside
    return {name: given.get(name, max(1, round(inside * term.share))) for name, term in terms.items()}


def _checked(problem, name, points):
    if isinstance(points, np.ndarray | list | tuple):
        return problem.domain.check(np.asarray(check_unmasked(f"points of {name}", points), float), f"points of {name}")
    return check_count("points", points)
