# SPDX-License-Identifier: MIT
"""The result of a solve: the network with its ansatz as a function, its error and its cost; it can be saved."""

from __future__ import annotations

import io
import json

import numpy as np

from bpfree.blas import threads_for
from bpfree.engines.cost import largest_product
from bpfree.errors import FormatError, RowsMissingError, check_choice, check_unmasked
from bpfree.files import read_arrays, write_atomically
from bpfree.graph import Graph
from bpfree.graph.layers import assemble
from bpfree.ops import OPS
from bpfree.pde.guesses import reference_at
from bpfree.pde.history import History, read_history
from bpfree.pde.inside import between
from bpfree.pde.measured import at_the_centre, coupled_rows, where_measured
from bpfree.pde.network import COLUMNS, Network
from bpfree.pde.problems import PROBLEMS
from bpfree.pde.residuals import TermRows
from bpfree.pde.rules.table import Stencil
from bpfree.pde.rules.taylor import Taylor
from bpfree.pde.sizes import scales_of, size_of_terms
from bpfree.pde.solved import SolvedModel
from bpfree.pde.stored import plain, settings_of
from bpfree.pde.term import Term
from bpfree.pde.units import units_of
from bpfree.pde.wanted import Layout
from bpfree.registry import check_name, check_rows

METRICS = ("relative_l2", "relative_l1", "max", "residual_rms")
"""Names of the errors that `Solution.error` measures."""

_VERSION = 1
"""Version of the file that `save` writes."""


class Solution:
    """A solved problem: the network, the unknown coefficients, and the history of the solve.

    graph, theta and frozen are the network; theta is float64, and unknown coefficients follow the parameters in it.
    `problem` has the unknowns as found, `asked` as given. `history` holds losses, looks, cost and outcome.
    test: the points where errors are measured; None takes `problem.test_points()`. given: the points of one's own at
    which the equation was solved; None where they were drawn. coupled: the names of terms whose
    rows depend on points other than their own.

    >>> import bpfree as bf
    >>> solution = bf.pde.solve(bf.pde.Heat(), points=64, max_steps=5)
    >>> solution.predict([[0.5, 0.0]]).round(6).tolist(), solution.steps
    ([[1.0]], 5)
    """

    def __init__(
        self, problem, graph: Graph, theta, frozen, rule=None, method=None, seed=0, points=None, test=None, given=None
    ):
        self.asked, self.graph, self.theta, self.frozen = problem, graph, theta, frozen
        self.rule, self.method, self.seed, self.points, self.history = rule, method, seed, points or {}, History()
        self.coupled, self._test, self._wanted, self._inside = (), test, None, None
        self.test_given, self.given = test is not None, given

    def __repr__(self) -> str:
        unknowns = "".join(f", {name} = {value:.6g}" for name, value in self.unknowns.items())
        return f"Solution({type(self.asked).__name__}{unknowns}, {self.history!r})"

    @property
    def problem(self):
        """The problem with the values found for its unknowns."""
        return self.asked.bind(self.theta[self.graph.n_theta :])

    @property
    def unknowns(self) -> dict[str, float]:
        """The values found for the unknown coefficients, by name."""
        return dict(zip(self.asked.unknowns, self.theta[self.graph.n_theta :].tolist(), strict=True))

    @property
    def model(self) -> SolvedModel:
        """The network without the ansatz, a Model for export (float32) or as the start of another solve.

        It keeps theta in float64 and the unknowns, so that `solve(problem, solution.model)` goes on from here.
        """
        theta = self.theta[: self.graph.n_theta]
        return SolvedModel(self.graph, theta, self.frozen, self.unknowns, self.asked)

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

    @property
    def residual_points(self) -> np.ndarray:
        """The points (n, dim) where residuals are measured: the test points, or some between points of one's own.

        Where rows depend on other points, as integrals do, they are the points of one's own.
        """
        if self._inside is None:
            everywhere = self.given is None or self.test_given
            own = self.given if self.coupled or everywhere else between(self.given, self.asked.domain)
            self._inside = self.test_points if everywhere else own
        return self._inside

    def predict(self, points=None, *, at=None) -> np.ndarray:
        """Return u (n, outputs) at points (n, dim), or (outputs,) at one: the network within its ansatz, in float64.

        at: one point, as in :meth:`Box.point`, such as {"x": 0.0, "t": 0.5}.
        """
        if at is not None:
            return self.predict(self._one(points, at))[0]
        problem = self.problem
        points = problem.domain.check(points)
        part, stencil = TermRows(problem, _silent(problem), points, np.float64), _values_only(problem)
        return np.stack([jet.value for jet in part.fields(problem, *self._jets(part, stencil), stencil)], axis=1)

    def _one(self, points, at):
        if points is not None:
            raise ValueError("points: expected either points or at=, got both")
        return self.asked.domain.point(at)

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

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # a value that is not finite is a valid result
    def error(self, metric: str = "relative_l2", points=None, *, at=None) -> float:
        """Return the error of u against the reference v, at test points, at given points, or at one point.

        metric: "relative_l2" or "relative_l1", which is |u - v| / |v| in the 2-norm or the 1-norm; "max", the
        largest |u - v|; or "residual_rms", that of the equation inside by Taylor, which needs no reference.
        points: (n, dim); default: `test_points`, and `residual_points` for the residual.
        at: one point, as in :meth:`Box.point`, such as {"x": 0.0, "t": 0.5}. In many dimensions the middle is far from
        all test points, and the error there may be much larger.
        """
        check_choice("metric", metric, METRICS)
        points = check_unmasked("points", points) if at is None else self._one(points, at)
        if metric == "residual_rms":
            return self._residual_rms(self.residual_points if points is None else np.asarray(points, float))
        default, points = points is None, self.test_points if points is None else np.asarray(points, float)
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

    def _residual_share(self) -> float:
        """Return the largest rms of an equation inside at `residual_points`, as a share of that of its terms."""
        problem, units = self.problem, units_of(self.asked)
        part = TermRows(problem, problem.terms()[0], self.residual_points, np.float64)
        stencil = Taylor().stencil(part.wanted, problem.domain, np.float64, self.seed)
        fields = part.fields(problem, *self._jets(part, stencil), stencil)
        sizes = size_of_terms(part, problem, fields, stencil, scales_of(fields, units.spread if units else 1.0))
        rms = np.sqrt((part.formula_rows(problem, fields, stencil) ** 2).mean(axis=1))
        return float((rms / np.where(sizes > 0, sizes, 1.0)).max())

    def _rows(self, term, points, rule=None):
        """Return the rows (rows, n) of a term by a rule, default Taylor."""
        problem = self.problem
        part = TermRows(problem, term, points, np.float64)
        stencil = (rule or Taylor()).stencil(part.wanted, problem.domain, np.float64, self.seed)
        return part.values(problem, *self._jets(part, stencil), stencil)

    def _jets(self, part, stencil):
        """Return the network's jets at the points of a term."""
        columns = min(part.n * stencil.passes, COLUMNS)
        with threads_for(largest_product(self.graph, columns)):
            return Network(self.graph, self.frozen).jets(self.theta[: self.graph.n_theta], part.points, stencil)

    def summary(self) -> str:
        """Return a few lines for people: errors beside the floors, unknowns, cost, and why the solve ended."""
        h, lines, rms = self.history, [], self.error("residual_rms")
        if self.asked.reference is not None:
            measured = [*((name, self.error(name)) for name in METRICS[:-1]), (METRICS[-1], rms)]
            told = ", ".join(f"{name.replace('_', ' ')} {value:.3e}" for name, value in measured)
            lines.append(f"{self.asked.name}: {told}")
            floors = sorted(self.asked.floors(self.test_points).items(), key=lambda row: -row[1])
            lines.append("floors: " + ", ".join(f"{name} {value:.3e}" for name, value in floors))
            lines += at_the_centre(self)
        else:
            share = f"{self._residual_share():.1e} of the size of its terms"
            lines.append(f"{self.asked.name}: residual rms {rms:.3e}, {share}")
        lines.append(where_measured(self, self.asked.reference is not None))
        for name, value in self.unknowns.items():
            truth = f" (truth {self.asked.truth[name]:g})" if name in self.asked.truth else ""
            lines.append(f"{name} = {value:.6g}{truth}")
        if h.losses:
            lines.append(f"steps {h.steps:,}, loss {h.looks[0].loss:.4g} -> {h.looks[-1].loss:.4g}")
        each = f" ({h.forwards // h.steps:,} per step)" if h.steps else ""
        lines.append(f"forwards {h.forwards:,}{each}, time {h.seconds:.1f} s; {self.graph.n_theta:,} parameters")
        if self.method is not None:
            lines.append(f"{type(self.method).__name__} ({self.method.tier}) with {type(self.rule).__name__}")
        lines += coupled_rows(self)
        return "\n".join([*lines, f"outcome: {h.outcome}"])

    def plot(self, path) -> None:
        """Save a picture of solution, reference, error and history; more than two dimensions are cut (extra `plot`)."""
        from bpfree.pde.pictures import plot_solution

        plot_solution(self, path)

    def save(self, path) -> None:
        """Write graph, theta in float64, unknowns, problem and history to one .npz, atomically and without pickle.

        Of a problem of your own, the file holds the name: `load` is given the problem again. Points of your own are
        kept.
        """
        h, stream = self.history, io.BytesIO()
        document = {
            "version": _VERSION,
            "graph": json.loads(self.graph.to_json()),
            "problem": {"name": self.asked.name, "settings": settings_of(self.asked)},
            "unknowns": list(self.unknowns),
            "how": {
                "rule": repr(self.rule), "method": repr(self.method), "seed": self.seed, "points": self.points,
                "coupled": self.coupled,
            },
            "history": {
                "looks": [[None if value != value else value for value in look] for look in h.looks],
                "cost": [h.forwards, h.seconds], "outcome": [h.outcome_code, h.outcome], "remark": h.remark,
            },
        }  # fmt: skip
        text, losses = json.dumps(document, default=plain), np.array(h.losses, float)
        own = {} if self.given is None else {"given": self.given}
        own |= {"test": self._test} if self.test_given else {}
        np.savez(stream, solution=text, theta=self.theta, frozen=self.frozen, losses=losses, **own)
        write_atomically(path, stream.getvalue())

    @classmethod
    def load(cls, path, problem=None, rows=()) -> Solution:
        """Read a solution that `save` wrote.

        problem: needed for a problem of your own, which a file cannot hold.
        rows: the operations of your own that the network has, each an Op.

        Raises FormatError for any other file, and loads nothing then. The rule and the method are not loaded, because
        the file holds their settings as text only.
        """
        check_rows(rows)
        rows = tuple(rows)
        names = ("solution", "theta", "frozen", "losses")
        fields = read_arrays(path, names, optional=("given", "test"), what="saved bpfree solution")
        try:
            document = json.loads(str(fields["solution"]))
            if document["version"] != _VERSION:
                raise FormatError(f"{path}: expected version {_VERSION}, got {document['version']}: update bpfree")
            nodes = document["graph"]["nodes"]
            missing = [n["op"] for n in nodes if OPS.lacks(n["op"], rows)]
            if missing:
                raise RowsMissingError.of(path, missing)
            nodes = [(OPS.find(n["op"], rows), n["name"], n["inputs"], n["attributes"]) for n in nodes]
            graph = assemble(document["graph"]["input"], nodes, frozen=document["graph"]["frozen"])
            name, values = document["problem"]["name"], document["problem"]["settings"]
            unknowns = document["unknowns"]
            for one in (name, *list(unknowns)):
                check_name("problem and unknowns", one)
            if not isinstance(values, dict | None):
                raise TypeError(f"expected settings of the problem, got {values!r}")
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
            checked, seed = problem.domain.check, document["how"]["seed"]
            own = {name: checked(fields[name].astype(float), name) for name in ("given", "test") if name in fields}
            solution = cls(problem, graph, theta.astype(np.float64), frozen, seed=seed, **own)
            solution.points = document["how"]["points"]
            solution.coupled = tuple(map(str, document["how"].get("coupled", ())))
            solution.history = read_history(document["history"], fields["losses"])
            return solution
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            if isinstance(error, FormatError) or str(error).startswith("problem: "):
                raise
            raise FormatError(f"{path}: not a saved bpfree solution: {error}") from None

def _values_only(problem):
    """Return a stencil for u alone."""
    return Stencil(Layout([], problem.domain.dim))


def _silent(problem):
    """Return a term that needs no derivatives."""
    return Term("points", lambda problem, u, c: np.zeros(len(c._points)), None)
