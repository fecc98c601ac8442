# SPDX-License-Identifier: MIT
"""The result of a solve: the network with its ansatz as a function, its error and its cost; it can be saved."""

from __future__ import annotations

import io
import json
from inspect import signature

import numpy as np

from bpfree.errors import FormatError, check_choice, check_unmasked
from bpfree.files import read_arrays, write_atomically
from bpfree.graph import Graph
from bpfree.graph.layers import assemble
from bpfree.model import Model
from bpfree.pde.guesses import reference_at
from bpfree.pde.history import History, Look
from bpfree.pde.network import Network
from bpfree.pde.problems import PROBLEMS
from bpfree.pde.residuals import TermRows
from bpfree.pde.rules.table import Stencil
from bpfree.pde.rules.taylor import Taylor
from bpfree.pde.term import Term
from bpfree.pde.wanted import Layout

METRICS = ("relative_l2", "relative_l1", "max", "residual_rms")
"""Names of the errors that `Solution.error` measures."""

FITTED = 30
"""Ratio of the residual at test points to that at the points of the last step from which on there is advice."""

_VERSION = 1
"""Version of the file that `save` writes."""


class Solution:
    """A solved problem: the network, the unknown coefficients, and the history of the solve.

    graph, theta and frozen are the network; theta is float64, and unknown coefficients follow the parameters in it.
    `problem` has the unknowns as found, `asked` as given. `history` holds losses, looks, cost and outcome.
    test: the points where errors are measured; None takes `problem.test_points()`.

    >>> import bpfree as bf
    >>> solution = bf.pde.solve(bf.pde.Heat(), points=64, max_steps=5)
    >>> solution.predict([[0.5, 0.0]]).round(6).tolist(), solution.steps
    ([[1.0]], 5)
    """

    def __init__(self, problem, graph: Graph, theta, frozen, rule=None, method=None, seed=0, points=None, test=None):
        self.asked, self.graph, self.theta, self.frozen = problem, graph, theta, frozen
        self.rule, self.method, self.seed, self.points, self.history = rule, method, seed, points or {}, History()
        self._test, self._wanted = test, None

    @property
    def problem(self):
        """The problem with the values found for its unknowns."""
        return self.asked.bind(self.theta[self.graph.n_theta :])

    @property
    def unknowns(self) -> dict[str, float]:
        """The values found for the unknown coefficients, by name."""
        return dict(zip(self.asked.unknowns, self.theta[self.graph.n_theta :].tolist(), strict=True))

    @property
    def model(self) -> Model:
        """The network in float32 without the ansatz, for export or as the start of another solve."""
        return Model(self.graph, self.theta[: self.graph.n_theta].astype(np.float32), self.frozen)

    @property
    def steps(self) -> int:
        """Number of steps done."""
        return self.history.steps

    @property
    def outcome_code(self) -> str:
        """The reason why the solve ended, one of OUTCOMES."""
        return self.history.outcome_code

    @property
    def outcome(self) -> str:
        """The reason why the solve ended in words, with advice."""
        return self.history.outcome

    @property
    def test_points(self) -> np.ndarray:
        """The points (n, dim) where errors are measured."""
        if self._test is None:
            self._test = self.asked.test_points()
        return self._test

    def predict(self, points) -> np.ndarray:
        """Return u (n, outputs) at points (n, dim): the network within its ansatz, in float64."""
        problem, network = self.problem, Network(self.graph, self.frozen)
        points = problem.domain.check(points)
        part, stencil = TermRows(problem, _silent(problem), points, np.float64), _values_only(problem)
        jets = network.jets(self.theta[: self.graph.n_theta], part.points, stencil)
        return np.stack([jet.value for jet in part.fields(problem, *jets, stencil)], axis=1)

    def evaluate(self, formula, points, rule=None) -> np.ndarray:
        """Return a formula of u and its derivatives at points (n, dim): (n,), or (n, k) for a tuple of k numbers.

        formula: a function (u, c), as `residual` of a problem is.
        points: (n, dim), in the domain.
        rule: the rule for the derivatives; default Taylor(), which is exact to rounding.

        >>> import bpfree as bf
        >>> solution = bf.pde.solve(bf.pde.Poisson(dim=1), points=64, max_steps=20)
        >>> solution.evaluate(lambda u, c: (u, u.xx), [[0.5]]).round(1).tolist()  # of sin pi x
        [[1.0, -9.9]]
        """
        points = self.asked.domain.check(points)
        rows = self._rows(Term("formula", lambda problem, u, c: formula(u, c), None), points, rule)
        return rows[0] if len(rows) == 1 else rows.T

    @np.errstate(over="ignore", invalid="ignore")  # a value that is not finite is a valid result
    def error(self, metric: str = "relative_l2", points=None) -> float:
        """Return the error of u against the reference v, at test points or at given points.

        metric: "relative_l2" or "relative_l1", which is |u - v| / |v| in the 2-norm or the 1-norm; "max", the
        largest |u - v|; or "residual_rms", that of the equation inside by Taylor, which needs no reference.
        points: (n, dim); default: `test_points`.
        """
        check_choice("metric", metric, METRICS)
        check_unmasked("points", points)
        default, points = points is None, self.test_points if points is None else np.asarray(points, float)
        if metric == "residual_rms":
            return self._residual_rms(points)
        if self.asked.reference is None:
            expected = f"residual_rms, as {self.asked.name} has no reference"
            raise ValueError(f"metric: expected {expected}, got {metric!r}")
        if not default or self._wanted is None:
            wanted = reference_at(self.asked, points)
            self._wanted = wanted if default else self._wanted
        wanted = self._wanted if default else wanted
        off = np.abs(self.predict(points) - wanted)
        if metric == "max":
            return float(off.max())
        order = 2 if metric == "relative_l2" else 1
        return float(np.linalg.norm(off.ravel(), order) / np.linalg.norm(wanted.ravel(), order))

    def _residual_rms(self, points) -> float:
        return float(np.sqrt((self._rows(self.problem.terms()[0], points) ** 2).mean()))

    def _rows(self, term, points, rule=None):
        """Return the rows (rows, n) of a term by a rule, default Taylor."""
        problem, network = self.problem, Network(self.graph, self.frozen)
        part = TermRows(problem, term, points, np.float64)
        stencil = (rule or Taylor()).stencil(part.wanted, problem.domain, np.float64, self.seed)
        jets = network.jets(self.theta[: self.graph.n_theta], part.points, stencil)
        return part.values(problem, *jets, stencil)

    def summary(self) -> str:
        """Return a few lines for people: errors beside the floors, unknowns, cost, and why the solve ended."""
        h, lines, rms = self.history, [], self.error("residual_rms")
        if self.asked.reference is not None:
            measured = [*((name, self.error(name)) for name in METRICS[:-1]), (METRICS[-1], rms)]
            told = ", ".join(f"{name.replace('_', ' ')} {value:.3e}" for name, value in measured)
            lines.append(f"{self.asked.name}: {told}")
            floors = sorted(self.asked.floors(self.test_points).items(), key=lambda row: -row[1])
            lines.append("floors: " + ", ".join(f"{name} {value:.3e}" for name, value in floors))
        else:
            lines.append(f"{self.asked.name}: residual rms {rms:.3e}")
        for name, value in self.unknowns.items():
            truth = f" (truth {self.asked.truth[name]:g})" if name in self.asked.truth else ""
            lines.append(f"{name} = {value:.6g}{truth}")
        if h.losses:
            lines.append(f"steps {h.steps:,}, loss {h.looks[0].loss:.4g} -> {h.looks[-1].loss:.4g}")
        each = f" ({h.forwards // h.steps:,} per step)" if h.steps else ""
        lines.append(f"forwards {h.forwards:,}{each}, time {h.seconds:.1f} s; {self.graph.n_theta:,} parameters")
        if self.method is not None:
            lines.append(f"{type(self.method).__name__} ({self.method.tier}) with {type(self.rule).__name__}")
        return "\n".join([*lines, *self._too_few(rms), f"outcome: {h.outcome}"])

    def _too_few(self, rms) -> list[str]:
        """Return advice where the equation holds at the points of the solve, but not between them."""
        looks = self.history.looks
        there = np.sqrt(looks[-1].terms.get("residual", np.nan)) if looks else np.nan
        if not rms > FITTED * there:
            return []
        advice = "take more points, or new ones from time to time (resample_every)"
        return [f"the points are too few: the residual is {there:.1e} at them, and {rms:.1e} between them; {advice}"]

    def plot(self, path) -> None:
        """Save a picture of solution, reference, error and history; more than two dimensions are cut (extra `plot`)."""
        from bpfree.pde.pictures import plot_solution

        plot_solution(self, path)

    def save(self, path) -> None:
        """Write graph, theta in float64, unknowns, problem and history to one .npz, atomically and without pickle."""
        h, stream = self.history, io.BytesIO()
        document = {
            "version": _VERSION,
            "graph": json.loads(self.graph.to_json()),
            "problem": {"name": self.asked.name, "settings": _settings(self.asked)},
            "unknowns": list(self.unknowns),
            "how": {"rule": repr(self.rule), "method": repr(self.method), "seed": self.seed, "points": self.points},
            "history": {
                "looks": [[None if value != value else value for value in look] for look in h.looks],
                "cost": [h.forwards, h.seconds], "outcome": [h.outcome_code, h.outcome],
            },
        }  # fmt: skip
        losses = np.array(h.losses, float)
        np.savez(stream, solution=json.dumps(document), theta=self.theta, frozen=self.frozen, losses=losses)
        write_atomically(path, stream.getvalue())

    @classmethod
    def load(cls, path, problem=None) -> Solution:
        """Read a solution that `save` wrote.

        problem: needed for a problem of your own, which a file cannot hold.

        Raises FormatError for any other file, and loads nothing then. The rule and the method are not loaded, because
        the file holds their settings as text only.
        """
        fields = read_arrays(path, ("solution", "theta", "frozen", "losses"), what="saved bpfree solution")
        try:
            document = json.loads(str(fields["solution"]))
            if document["version"] != _VERSION:
                raise FormatError(f"{path}: expected version {_VERSION}, got {document['version']}: update bpfree")
            rows = [(n["op"], n["name"], n["inputs"], n["attributes"]) for n in document["graph"]["nodes"]]
            graph = assemble(document["graph"]["input"], rows, frozen=document["graph"]["frozen"])
            name, values = document["problem"]["name"], document["problem"]["settings"]
            known = {row.settings.__name__: row.settings for row in PROBLEMS}
            if problem is None and (name not in known or values is None):
                raise ValueError(f"problem: expected {name}(...), as it is not one of the library's, got None")
            problem = known[name](**values) if problem is None else problem
            if problem.name != name or list(problem.unknowns) != document["unknowns"]:
                raise ValueError(f"problem: expected {name} with unknowns {document['unknowns']}, got {problem.name}")
            theta, frozen = fields["theta"], fields["frozen"]
            for what, array, size in (
                ("theta", theta, graph.n_theta + len(document["unknowns"])), ("frozen", frozen, graph.n_frozen),
            ):  # fmt: skip
                if array.shape != (size,) or array.dtype.kind != "f":
                    raise FormatError(f"{path}: {what}: expected {size} floats, got {array.dtype} {array.shape}")
            solution = cls(problem, graph, theta.astype(np.float64), frozen, seed=document["how"]["seed"])
            solution.points = document["how"]["points"]
            solution._read_history(document["history"], fields["losses"])
            return solution
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            if isinstance(error, FormatError) or str(error).startswith("problem: "):
                raise
            raise FormatError(f"{path}: not a saved bpfree solution: {error}") from None

    def _read_history(self, document, losses) -> None:
        h = self.history
        h.losses = losses.tolist()
        h.looks = [Look(*(float("nan") if value is None else value for value in row)) for row in document["looks"]]
        (h.forwards, h.seconds), (h.outcome_code, h.outcome) = document["cost"], document["outcome"]


def _values_only(problem):
    """Return a stencil for u alone."""
    return Stencil(Layout([], problem.domain.dim))


def _silent(problem):
    """Return a term that needs no derivatives."""
    return Term("points", lambda problem, u, c: np.zeros(len(c._points)), None)


def _settings(problem):
    """Return the arguments that make a problem of the library again; None for other problems."""
    if all(type(problem) is not row.settings for row in PROBLEMS):
        return None
    return {name: getattr(problem, name) for name in signature(type(problem).__init__).parameters if name != "self"}
