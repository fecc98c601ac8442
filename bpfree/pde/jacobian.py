# SPDX-License-Identifier: MIT
"""The Jacobian of a residual vector by theta from forward passes only, by probes of theta or of units."""

from __future__ import annotations

import numpy as np

from bpfree.engines.cost import graph_macs
from bpfree.errors import check_choice
from bpfree.pde.sensitivities import unknown_columns
from bpfree.pde.unit_jacobian import Structured, refusal

ROUTES = ("structured", "black_box", "black_box_two_sided")
"""Ways to compute the columns: by moving units of layers; or by moving theta, with d + 1 vectors or, two-sided, 2 d."""

ROWS_FLOATS = 1 << 19
"""Number of floats of the Jacobian held at a time where only its products are needed."""


class BlackBox:
    """Blocks of the Jacobian from differences of r along coordinates of theta, which need nothing but values of u.

    One-sided, J_k = [r(theta + mu e_k) - r(theta)] / mu with mu = sqrt(eps) (1 + |theta_k|), where eps is that of the
    engine's precision; two-sided, [r(theta + mu e_k) - r(theta - mu e_k)] / (2 mu) with mu = eps^(1/3) (1 + |theta_k|).
    scipy.optimize.approx_fprime computes the one-sided differences with mu = sqrt(eps).
    """

    def __init__(self, residuals, two_sided: bool = False, columns=None):
        self.residuals, self.two_sided, self.macs = residuals, two_sided, 0
        self.unit, self._columns = graph_macs(residuals.network.graph), columns

    def columns(self):
        """Return the numbers of the elements of theta, by default of all, the unknowns last."""
        whole = np.arange(self.residuals.n_network + self.residuals.n_unknown)
        return whole if self._columns is None else self._columns

    def macs_of(self, stencil) -> int:
        """Return the multiply-accumulates at one point."""
        d = int((self.columns() < self.residuals.n_network).sum())
        return self.unit * stencil.passes * (2 * d if self.two_sided else d + 1)

    def block(self, theta, part, stencil, own: slice):
        """Return r (rows, n) and J (rows, n, columns) at the points `own` of a term, with its weight."""
        part, network = part.take(own), self.residuals.network
        points, n_network, columns = part.all_points(), self.residuals.n_network, self.columns()
        eps = float(np.finfo(network.dtype).eps)

        def rows(theta, jets=None):
            parameters, problem = self.residuals.split(theta)
            value, rest = network.jets(parameters, points, stencil) if jets is None else jets
            return part.values(problem, value, rest, stencil) * part.scale

        jets = network.jets(theta[:n_network], points, stencil)
        base = rows(theta, jets)
        found = np.empty((*base.shape, columns.size))
        own = columns[columns < n_network]
        for column, k in enumerate(own):
            mu, there, back = (eps ** (1 / 3) if self.two_sided else eps**0.5), theta.copy(), theta.copy()
            there[k] += mu * (1 + abs(theta[k]))
            back[k] -= (theta[k] + mu * (1 + abs(theta[k])) - theta[k]) * self.two_sided
            # rounded to the precision of the network, so that their difference is exact
            there[k], back[k] = network.dtype.type(there[k]), network.dtype.type(back[k])
            other = rows(back) if self.two_sided else base
            found[..., column] = (rows(there) - other) / (there[k] - back[k])
        if own.size < columns.size:
            unknowns = unknown_columns(self.residuals, part, theta, *jets, stencil)  # they take no passes
            found[..., own.size :] = unknowns.transpose(1, 2, 0) * part.scale
        self.macs += (self.macs_of(stencil) + self.unit * stencil.passes * self.two_sided) * len(points)
        return base, found


class Jacobian:
    """Computes r and J = dr / dtheta at given theta: as a whole, or as products from a few points at a time.

    residuals: the Residuals; their `forwards` counts the cost.
    route: one of ROUTES; default: "structured" where the network allows it and it takes fewer multiply-accumulates,
    else "black_box", which is the only one for formulas whose rows depend on other points, such as np.mean(u.value).
    head_only: whether to compute only the columns of the last trained layer.

    >>> import bpfree as bf, numpy as np
    >>> from bpfree.pde import Network
    >>> from bpfree.pde.residuals import Residuals
    >>> class Growth(bf.pde.Problem):
    ...     domain = bf.pde.Box(t=(0, 1))
    ...     def residual(self, u, c):
    ...         return u.t - u
    >>> model = bf.Sequential(1, [bf.Linear(3), bf.Tanh(), bf.Linear(1)])
    >>> r = Residuals(Growth(), Network(model.graph, model.frozen), bf.pde.Taylor(), {"residual": np.ones((5, 1))})
    >>> jacobian = Jacobian(r)
    >>> jacobian.route, [a.shape for a in jacobian.dense(model.theta.astype(float))]
    ('structured', [(5,), (5, 10)])
    """

    def __init__(self, residuals, route: str | None = None, head_only: bool = False):
        self.residuals = residuals
        reason = refusal(residuals.network)
        if head_only and reason:
            raise ValueError(f"engine: expected one that can compute the columns of the last layer alone: {reason}")
        if head_only:
            _check_head(residuals.network.graph)
        reason = reason or coupling(residuals.coupled)
        if route is None:
            route = "black_box" if reason else self._cheaper(residuals)
        check_choice("route", route, ROUTES)
        if route == "structured" and reason:
            raise ValueError(f"route: expected black_box or black_box_two_sided, got structured: {reason}")
        self.route = "structured" if head_only and not reason else route
        self.source = _source(residuals, self.route, head_only)
        self.columns = self.source.columns()

    @staticmethod
    def _cheaper(residuals) -> str:
        costs = {route: _cost(residuals, _source(residuals, route)) for route in ROUTES[:2]}
        return min(costs, key=costs.get)

    @property
    def passes(self) -> int:
        """Cost of one Jacobian: all multiply-accumulates in passes of one sample, rounded up."""
        return -(-_cost(self.residuals, self.source) // graph_macs(self.residuals.network.graph))

    def blocks(self, theta, floats: int = ROWS_FLOATS):
        """Yield (slice of rows, r there, J (rows, columns) there), at most about `floats` floats at a time."""
        residuals, start = self.residuals, 0
        unit, before = graph_macs(residuals.network.graph), self.source.macs
        for part, stencil in zip(residuals.parts, residuals.stencils):
            few = max(1, floats // (part.rows * max(self.columns.size, self._widest(stencil))))
            few = part.n if part.term.name in residuals.coupled else few
            for first in range(0, part.n, few):
                own = slice(first, min(first + few, part.n))
                r, block = self.source.block(theta, part, stencil, own)
                for e in range(part.rows):
                    rows = slice(start + e * part.n + own.start, start + e * part.n + own.stop)
                    yield rows, r[e], block[e]
            start += part.rows * part.n
        residuals.forwards += -(-(self.source.macs - before) // unit)

    def _widest(self, stencil) -> int:
        """Return the floats per point of the widest tensor of activations."""
        return stencil.passes * max(tensor.size for tensor in self.residuals.network.graph.tensors)

    def dense(self, theta):
        """Return r (N,) and J (N, columns)."""
        r, whole = np.empty(self.residuals.size), np.empty((self.residuals.size, self.columns.size))
        for rows, values, block in self.blocks(theta):
            r[rows], whole[rows] = values, block
        return r, whole

    def normal(self, theta):
        """Return r (N,), J^T r and J^T J, without holding the whole J."""
        d = self.columns.size
        r, gradient, gram = np.empty(self.residuals.size), np.zeros(d), np.zeros((d, d))
        for rows, values, block in self.blocks(theta):
            r[rows] = values
            gradient += block.T @ values
            gram += block.T @ block
        return r, gradient, gram

    def gradient(self, theta):
        """Return r (N,) and J^T r, half the gradient of r . r, without holding the whole J."""
        r, gradient = np.empty(self.residuals.size), np.zeros(self.columns.size)
        for rows, values, block in self.blocks(theta):
            r[rows] = values
            gradient += block.T @ values
        return r, gradient


def coupling(names) -> str | None:
    """Return in words why the rows of these terms cannot be differentiated point by point; None without any."""
    return f"the rows of {', '.join(names)} depend on other points than their own" if names else None


def _check_head(graph) -> None:
    """Raise where the last layer is a constant."""
    last = [node for node in graph.nodes if node.n_slices][-1:]
    if not last or all(part.frozen for part in graph.slices_of(last[0])):
        got = f"{last[0].label} frozen" if last else "none"
        raise ValueError(f"network: expected a last layer that is trained, to solve for, got {got}")


def _source(residuals, route: str, head_only: bool = False):
    if route == "structured":
        return Structured(residuals, head_only)
    columns = Structured(residuals, True).columns() if head_only else None
    return BlackBox(residuals, route == "black_box_two_sided", columns)


def _cost(residuals, source) -> int:
    """Return the multiply-accumulates of one Jacobian."""
    pairs = zip(residuals.parts, residuals.stencils)
    return sum(source.macs_of(stencil) * len(part.all_points()) for part, stencil in pairs)
