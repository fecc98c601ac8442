# SPDX-License-Identifier: MIT
"""What a solve is made of: the network, the rule, the method and the points, checked or chosen."""

from __future__ import annotations

import numpy as np

from bpfree.engines import ReferenceEngine, get_engine
from bpfree.errors import check_count
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
"""Up to which Levenberg-Marquardt is chosen: J^T J and its factor are d^2 floats and d^3 / 6 operations a step."""


def choose_rule(network):
    """Taylor where the engine can be looked into, else differences."""
    return Taylor() if hasattr(network.engine, "arithmetic") or hasattr(network.engine, "jets") else Differences()


def choose_method(problem, network):
    """Levenberg-Marquardt while its matrices are small; else the gradient; from losses alone where that is all."""
    d = network.graph.n_theta + len(problem.unknowns)
    if d <= MOST_PARAMETERS:
        return LevenbergMarquardt()
    return FirstOrder() if refusal(network) else StructuredGradient()


def make_network(problem, model, engine) -> Network:
    """The network of a problem in an engine, checked."""
    if not isinstance(model, Model):
        raise TypeError(f"network: expected a Model, such as bpfree.Sequential makes, got {model!r}")
    shape, fits = (model.graph.input.size, model.graph.output.size), (problem.domain.dim, len(problem.outputs))
    if shape != fits:
        inputs, outputs = ", ".join(problem.domain.names), ", ".join(problem.outputs)
        expected = f"{fits[0]} inputs ({inputs}) and {fits[1]} outputs ({outputs})"
        raise ValueError(f"network: expected {expected}, got {shape[0]} and {shape[1]}")
    engine = ReferenceEngine(dtype=np.float64) if engine is None else get_engine(engine)
    return Network(model.graph, model.frozen, engine)


def check_kinds(rule, method) -> None:
    """Raise unless they are what they should be."""
    if not isinstance(rule, Rule):
        raise TypeError(f"rule: expected one such as bpfree.pde.Taylor(), got {rule!r}")
    if not isinstance(method, Method):
        raise TypeError(f"method: expected one such as bpfree.LevenbergMarquardt(), got {method!r}")


def check_curved(problem, graph, residuals) -> None:
    """Warn where second derivatives are asked of a network that has none, such as one of ReLU."""
    ops = [node.op for node in graph.nodes]
    second = any(isinstance(one, Second | Laplacian) for part in residuals.parts for one in part.wanted)
    if second and not any(_bends(op) for op in ops):
        names = ", ".join(dict.fromkeys(op.name for op in ops))
        expected = "a smooth activation, such as Tanh or Sin, as second derivatives are asked for"
        warn_once(problem, f"network: expected {expected}, got {names}, whose are 0 everywhere")


def _bends(op) -> bool:
    """Can its second derivative be another than 0? Nobody knows of an op without a jet."""
    curved = (op.elementwise and op.elementwise.curvature) or (op.jet and op.jet.taylor)
    return bool(curved) or not op.has_jet


def points_of_terms(problem, points) -> dict:
    """Points of each term: its share of those inside, or as it is said; how many, or an array (n, dim) of them."""
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
        return problem.domain.check(np.asarray(points, float), f"points of {name}")
    return check_count("points", points)
