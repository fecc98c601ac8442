# SPDX-License-Identifier: MIT
"""RGE: random gradient estimation with Rademacher, Hadamard, Gaussian or sphere directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.directions import RANDOM, direction_of, hadamard
from bpfree.directions.table import Direction
from bpfree.engines.cost import graph_macs
from bpfree.engines.probes import probe_rows
from bpfree.errors import check_choice, check_count
from bpfree.estimators import least_squares
from bpfree.estimators.device import Device
from bpfree.estimators.differences import Differences
from bpfree.estimators.table import EstimatorRow
from bpfree.native.structs import Struct
from bpfree.schedules.table import Schedule, check_radius

GROUPINGS = ("joint", "layer", "tensor")
"""In the order of `enum bpfree_grouping`."""


@dataclass(frozen=True)
class RGE(Differences):
    """Random gradient estimation (Nesterov and Spokoiny, 2017; SPSA, Spall, 1992).

    two-sided: g = 1/q sum_i [L(theta + mu u_i) - L(theta - mu u_i)] / (2 mu) u_i,   2 q evaluations
    one-sided: g = 1/q sum_i [L(theta + mu u_i) - L(theta)] / mu u_i,                q + 1 evaluations

    E[u u^T] = I for every direction, so E[g] is the gradient up to O(mu^2)
    (two-sided, smooth losses; a probe across the kink of a ReLU is wrong by a part of
    that unit's slope). Black-box tier: only losses are looked at.

    Differs from the papers in: 1. differences are taken sample by sample and then
    averaged; in float32 a difference of means is 7 to 10 times noisier; 2. directions
    are signs, which a device draws bit by bit, where Nesterov and Spokoiny have normal
    numbers; 3. mu stays the same unless it is a schedule, where Spall's falls with the
    steps (:func:`bpfree.spall_gains`).

    n_queries: directions q a step and group. mu: smoothing radius, in units of
    the parameters, or a schedule. grouping: "joint" moves all parameters at once, "layer" and
    "tensor" one layer or parameter tensor at a time, the others at theta (then
    evaluations are per group). direction: "rademacher", signs, drawn and
    evaluated fastest and in inference memory; "hadamard", signs of which no two
    queries of a step say the same; "gaussian"; "sphere", radius sqrt(d) over the d
    parameters of the group. The latter two need perturbed copies of theta on a
    device. Or a `Direction` of your own, in Python.

    "hadamard": u_i[k] = s_k H[r_i, k], H the Hadamard matrix of order D, the least
    power of two >= d; signs s and the rows r_i, all different, are drawn anew every
    step. The q directions of a group are orthogonal where d = D, else their dot
    products are D - d at most. The noise of g is (D - q) / (D - 1) times that of q
    independent directions, so q = D makes it the gradient up to O(mu^2), like CGE,
    with differences of losses sqrt(d) times as large; more queries begin the rows
    again.

    scale: one draw is sqrt((q + d - 1) / q) times as long as the gradient (d + 1
    for "gaussian"; for "hadamard" the noise is as said above); "dim" multiplies by
    q / (q + d - 1), d = n_theta, for "hadamard" by the square of its own length's
    inverse, so that E[g] is that much shorter and lr need not depend on q and d.
    Joint grouping only.

    combine: "mean", as above; or "least_squares", with c the q quotients and V
    (d, q) the directions,

    g = (d / q) V (V^T V)^-1 c

    which is d / q times the gradient's projection on the span of V: E[g] is the
    gradient, and E |g - gradient|^2 is (d - q) / q |gradient|^2 in the place of the
    mean's (d - 1) / q. So it pays from q of about d / 4 on, and at q = d g is the
    gradient, where the losses are exact enough: what is off in c is divided by the
    smallest singular value of V. Where directions depend on each other, V^T V has its
    pseudo-inverse and its rank is q: few signs often do (with q = d in 52 % of all steps
    at d = 8, 4 % at d = 16), Gaussian directions never. "dim" multiplies by q / d: the projection itself.
    Solved in float64 on the host, never on a device; the record has the coefficients
    after it, so replay is as ever, on a device too. Its multiply-accumulates count as
    forwards. Joint grouping, 2 <= q <= d.

    >>> import bpfree as bf
    >>> RGE(n_queries=4, direction="sphere").evaluations(bf.Sequential(3, [bf.Linear(2)]).graph)
    8
    """

    n_queries: int = 1
    mu: float | Schedule = 2.0**-7
    two_sided: bool = True
    grouping: str = "joint"
    direction: str | Direction = "rademacher"
    scale: float | str = 1
    combine: str = "mean"

    def __post_init__(self):
        check_count("n_queries", self.n_queries, 1, 4096)
        check_radius("mu", self.mu)
        check_choice("two_sided", self.two_sided, (True, False))
        check_choice("grouping", self.grouping, GROUPINGS)
        if not isinstance(self.direction, Direction):
            check_choice("direction", self.direction, RANDOM)
        check_choice("scale", self.scale, (1, "dim"))
        if self.scale == "dim" and self.grouping != "joint":
            raise ValueError(f"scale: expected 1, as 'dim' is for grouping='joint', got grouping={self.grouping!r}")
        check_choice("combine", self.combine, ("mean", "least_squares"))
        if self.solves and (self.grouping != "joint" or self.n_queries < 2):
            expected = "'mean', as 'least_squares' is for grouping='joint' and n_queries of 2 or more"
            got = f"grouping={self.grouping!r}, n_queries={self.n_queries}"
            raise ValueError(f"combine: expected {expected}, got {got}")
        if self.solves and self.direction == "hadamard":
            raise ValueError("combine: expected 'mean' with direction='hadamard', whose queries are orthogonal already")

    @property
    def row(self) -> EstimatorRow:
        """The row of the table that has its direction; the first one for a direction of one's own, which C refuses."""
        return next((row for row in ROWS if row.direction == self.direction), ROWS[0])

    @property
    def solves(self) -> bool:
        """Whether coefficients are solved for, all together."""
        return self.combine == "least_squares"

    may_lose = True

    @property
    def averaged(self) -> int:
        """Directions of a group whose mean is taken: all of them."""
        return self.n_queries

    def record_shape(self, graph) -> tuple[int, int]:
        """(groups, n_queries). Raises ValueError where least squares has more directions than parameters."""
        if self.solves and self.n_queries > graph.n_theta:
            most = f"at most one a parameter ({graph.n_theta:,}) with combine='least_squares'"
            raise ValueError(f"n_queries: expected {most}, got {self.n_queries}")
        return len(graph.groups(self.grouping)), self.n_queries

    def factor(self, graph) -> float:
        """1, or |gradient|^2 / E |g|^2: q / (q + d - 1), of least squares q / d; Hadamard's rows differ."""
        q, d = self.n_queries, graph.n_theta
        if self.scale == 1:
            return 1.0
        if self.solves:
            return q / d
        if self.direction != "hadamard" or d == 1:
            return q / (q + d - 1)
        n = hadamard.order(d)
        rest = q % n  # rows that all have been asked for leave no noise
        return 1.0 / (1.0 + (d - 1) * rest * (n - rest) / (q * q * (n - 1)))

    @np.errstate(over="ignore", under="ignore")  # what has no float32 is not finite: a result
    def as_record(self, graph, seed: int, step: int, quotients) -> np.ndarray:
        """The coefficients (groups, queries); those of least squares are solved for, all together."""
        coefficients = super().as_record(graph, seed, step, quotients)
        if not self.solves or not np.isfinite(coefficients).all():
            return coefficients
        return self._solved(graph, seed, step, coefficients[0], np.arange(self.n_queries))[None]

    @np.errstate(over="ignore", under="ignore")
    def record_of(self, graph, seed: int, step: int, quotients, left) -> np.ndarray:
        """As of all estimators; least squares solves with the directions that are left."""
        if not self.solves or not np.isfinite(quotients).all():
            return super().record_of(graph, seed, step, quotients, left)
        queries, record = np.flatnonzero(left), np.zeros((1, self.n_queries), quotients.dtype)
        record[0, queries] = self._solved(graph, seed, step, quotients[queries], queries)
        return record

    def _solved(self, graph, seed: int, step: int, quotients, queries) -> np.ndarray:
        """The coefficients of least squares of these queries."""
        derivatives = quotients.astype(np.float64) * self.n_queries
        return least_squares.combine(graph, self.direction, seed, step, derivatives, queries).astype(quotients.dtype)

    def record_cost(self, graph) -> int:
        """Passes of one sample that the solution takes."""
        return -(-least_squares.macs(graph.n_theta, self.n_queries) // graph_macs(graph)) if self.solves else 0

    def points(self, graph, seed: int, step: int) -> np.ndarray:
        """Each query in every group: query i uses direction i; groups are disjoint, so their directions are too.

        Hadamard: the signs of query 0 for all, and the row that is query i's.
        """
        groups, q = graph.groups(self.grouping), self.n_queries
        columns = {"first": [group.start for group in groups], "count": [len(group) for group in groups]}
        columns = {name: np.repeat(values, q) for name, values in columns.items()}
        queries, elements = (np.concatenate(part) for part in zip(*self._addresses(graph, seed, step), strict=True))
        return probe_rows(len(groups) * q, self.direction, seed, step, queries, element=elements, **columns)

    def _addresses(self, graph, seed: int, step: int):
        """(queries, elements) of the directions of each group."""
        everyone, none = np.arange(self.n_queries), np.zeros(self.n_queries, np.uint32)
        if self.direction != "hadamard":
            return [(everyone, none)] * len(graph.groups(self.grouping))
        return [(none, hadamard.rows(len(group), seed, step, everyone)) for group in graph.groups(self.grouping)]

    def gradient(self, graph, seed: int, step: int, coefficients) -> np.ndarray:
        """g (n_theta,) from coefficients (groups, queries): sum over ascending query of fl(c scale) u."""
        gradient, addresses = np.zeros(graph.n_theta, coefficients.dtype), self._addresses(graph, seed, step)
        for group, own, where in zip(graph.groups(self.grouping), coefficients, addresses, strict=True):
            combine(gradient, self.direction, graph.pieces(group.start, len(group)), seed, step, own, *where)
        return gradient


def combine(gradient, direction: str, pieces, seed: int, step: int, coefficients, queries, elements) -> None:
    """Writes sum_i fl(c_i scale) u_i, i ascending, to the gradient's elements of these pieces."""
    row, real = direction_of(direction), gradient.dtype.type
    for i, (c, query, element) in enumerate(zip(coefficients, queries, elements, strict=True)):
        weight = c * real(row.scale(pieces, seed, step, query))
        for piece in pieces:
            u, view = row.at(piece, seed, step, query, element), gradient[piece.range]
            view[...] = weight * u.astype(real) if i == 0 else view + weight * u.astype(real)


class _Copies(Device):
    """Gaussian and sphere: perturbed copies of theta."""

    def wants(self, estimator) -> frozenset[str]:
        """Groups, unless one probe moves all parameters."""
        return frozenset() if estimator.grouping == "joint" else frozenset({"BPFREE_GROUPS"})

    def refusal(self, estimator, graph, batch_size: int = 1) -> str | None:
        """Why least squares, which is not there in C, cannot be trained by."""
        reason = "rge with combine='least_squares', which is solved in float64 on the host: train there, or use 'mean'"
        return reason if estimator.solves else None

    def scale(self, estimator, graph) -> float:
        """Factor of every coefficient: the estimator's factor."""
        return estimator.factor(graph)

    def work(self, estimator, graph, batch_size: int) -> int:
        """Floats of the copies of theta, and one-sided the losses of a minibatch; on replay a weight a query."""
        copies = graph.n_theta + (graph.n_theta if estimator.two_sided else batch_size)
        return max(estimator.n_queries, copies)

    def settings(self, estimator, graph, loss) -> Struct | None:
        """The struct with the grouping; None for one group, all of theta."""
        number = GROUPINGS.index(estimator.grouping)
        return Struct("bpfree_rge", {"grouping": number}) if number else None


class _Signs(_Copies):
    """Rademacher: signs are put on as parameters are read, on both sides at once."""

    def wants(self, estimator) -> frozenset[str]:
        """Kernels that perturb what they read, too."""
        return super().wants(estimator) | {"BPFREE_PROBE_ON_READ"}

    def sides(self, estimator) -> int:
        """Copies of the activations: two where one pass computes both sides."""
        return 2 if estimator.two_sided else 1

    def work(self, estimator, graph, batch_size: int) -> int:
        """No floats: signs are drawn where they are read."""
        return 0


class _Rows(_Signs):
    """Hadamard: on replay a weight a query, and its row."""

    def wants(self, estimator) -> frozenset[str]:
        """Rows of a Hadamard matrix, too."""
        return super().wants(estimator) | {"BPFREE_HADAMARD_ROWS"}

    def work(self, estimator, graph, batch_size: int) -> int:
        """Floats on replay: the weight of every query, and its row."""
        return 2 * estimator.n_queries

    def weights(self, estimator, graph) -> int:
        """Floats of that work, all of which is made of a group's coefficients."""
        return 2 * estimator.n_queries


def _row(number: int, name: str, direction: str, device: Device) -> EstimatorRow:
    return EstimatorRow(
        name, RGE, direction, tier="black-box", journal="SCALARS", number=number, c=f"bpfree_est_{name}", device=device
    )


ROWS = [
    _row(0, "rge", "rademacher", _Signs()),
    _row(1, "rge_gaussian", "gaussian", _Copies()),
    _row(2, "rge_sphere", "sphere", _Copies()),
    _row(7, "rge_hadamard", "hadamard", _Rows()),
]
