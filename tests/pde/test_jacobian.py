"""The Jacobian of residual vectors by layers and by probes of theta, against automatic differentiation."""

import autograd.numpy as anp
import graph_oracle
import numpy as np
import pytest
from autograd import grad, jacobian
from random_graphs import random_graph

import bpfree as bf
from bpfree.engines.cost import graph_macs
from bpfree.pde.jacobian import ROUTES, Jacobian
from bpfree.pde.network import Network
from bpfree.pde.residuals import Residuals
from bpfree.pde.samplers import interior
from bpfree.pde.term import Term
from bpfree.pde.unit_jacobian import refusal


class Quiz(bf.pde.Problem):
    """A problem with everything that formulas may have: nonlinear derivatives, two equations, unknowns."""

    a, b = bf.pde.Unknown(0.4), bf.pde.Unknown(1.3)

    def __init__(self, dim, outputs=1, ansatz=False, partners=False):
        self.domain = bf.pde.Box(x=(0, 1, dim))
        self.outputs = tuple(f"u{k}" for k in range(outputs))
        self.shaped, self.partners = ansatz, partners

    def terms(self):
        wrap = Term("wrap", self.wrap, self._inside, weight=0.7, partner=lambda points: 1.0 - points)
        return super().terms() + (wrap,) * self.partners

    @property
    def ansatz(self):
        return self.shape if self.shaped else None

    def shape(self, f, c):
        first, *others = [f] if len(self.outputs) == 1 else [getattr(f, name) for name in self.outputs]
        square = sum(c.x[k] * c.x[k] for k in range(len(c.x)))
        return (np.sin(square) * first * first + square, *(one * c.x[0] + np.exp(-first) for one in others))

    def residual(self, u, c):
        several = [u] if len(self.outputs) == 1 else [getattr(u, name) for name in self.outputs]
        first, last = several[0], several[-1]
        one = first.laplacian("x") * last - self.a * first.grad_square("x")
        return one + np.sin(self.b * last), first.value ** 3 - last.grad("x")[0] * c.x[0]

    @staticmethod
    def wrap(problem, us, cs):
        sides = [u if len(problem.outputs) == 1 else u.u0 for u in us]
        return sides[0] * sides[1].grad("x")[0] - sides[1] * sides[0].laplacian("x")


def residuals_of(problem, graph, frozen, rule, n=4, seed=0):
    points = {term.name: interior(problem.domain, n, "uniform", seed + k) for k, term in enumerate(problem.terms())}
    return Residuals(problem, Network(graph, frozen), rule, points)


def theta_of(graph, seed=0, unknowns=(0.4, 1.3)):
    random = np.random.default_rng(seed)
    theta = random.uniform(-0.6, 0.6, graph.n_theta)
    return np.concatenate([theta, unknowns]), random.uniform(-0.5, 0.5, graph.n_frozen)


def by_autograd(problem, graph, frozen, points, theta, weight=1.0):
    """Return J of the first term, with derivatives in space by autograd too."""

    def field(t, x, k):
        jet = graph_oracle.outputs(graph, t[: graph.n_theta], frozen, x)
        if not problem.shaped:
            return jet[:, k]
        square = anp.sum(x * x, axis=1)
        if k == 0:
            return anp.sin(square) * jet[:, 0] ** 2 + square
        return jet[:, k] * x[:, 0] + anp.exp(-jet[:, 0])

    def rows(t):
        last = len(problem.outputs) - 1
        a, b = t[graph.n_theta :]

        def slopes(k):
            return grad(lambda x: anp.sum(field(t, x, k)))

        elementwise = [grad(lambda x, i=i: anp.sum(slopes(0)(x)[:, i]))(points)[:, i] for i in range(points.shape[1])]
        u, v, ux, vx = field(t, points, 0), field(t, points, last), slopes(0)(points), slopes(last)(points)
        one = sum(elementwise) * v - a * anp.sum(ux * ux, axis=1) + anp.sin(b * v)
        return anp.concatenate([one, u**3 - vx[:, 0] * points[:, 0]]) * anp.sqrt(weight / len(points))

    return jacobian(rows)(theta)


def close(a, b, tolerance):
    assert a.shape == b.shape
    assert np.abs(a - b).max() <= tolerance * max(1.0, np.abs(b).max())


def usable(seed):
    graph = random_graph(seed)
    small = graph.n_theta and max(tensor.size for tensor in graph.tensors) <= 30
    return small and all(node.op.elementwise or node.op.is_affine for node in graph.nodes) and graph.output.size <= 3


SEEDS = [seed for seed in range(400) if usable(seed)][:11]


@pytest.mark.filterwarnings("ignore:Output seems independent")  # second derivatives of a linear network
@pytest.mark.parametrize("seed", SEEDS)
def test_of_any_graph_it_is_that_of_autograd(seed):
    graph = random_graph(seed)
    problem = Quiz(graph.input.size, graph.output.size)
    theta, frozen = theta_of(graph, seed)
    residuals = residuals_of(problem, graph, frozen, bf.pde.Taylor(), n=3, seed=seed)
    r, found = Jacobian(residuals, "structured").dense(theta)
    np.testing.assert_array_equal(r, residuals(theta))
    close(found, by_autograd(problem, graph, frozen, residuals.parts[0].points, theta), 1e-7)


def deep(dim=2, outputs=1):
    layers = [bf.Linear(5), bf.Sin(), bf.TTLinear((2, 3), (2, 2), rank=2), bf.Tanh(), bf.Linear(4)]
    return bf.Sequential(dim, [*layers, bf.Residual(bf.Linear(4), bf.Tanh()), bf.Sigmoid(), bf.Linear(outputs)]).graph


@pytest.mark.parametrize(("outputs", "ansatz"), [(1, True), (2, False), (2, True)])
def test_through_an_ansatz_and_of_two_outputs(outputs, ansatz):
    graph, problem = deep(outputs=outputs), Quiz(2, outputs, ansatz)
    theta, frozen = theta_of(graph)
    residuals = residuals_of(problem, graph, frozen, bf.pde.Taylor())
    found = Jacobian(residuals, "structured").dense(theta)[1]
    close(found, by_autograd(problem, graph, frozen, residuals.parts[0].points, theta), 1e-7)


RULES = [
    bf.pde.Taylor(),
    bf.pde.Differences(order=4, step=0.05),
    bf.pde.SparseGrid(sigma=0.2),
    bf.pde.Stein(n=7, sigma=0.2),
    bf.pde.RandomDirections(n=2),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("outputs", [1, 2])
def test_every_rule_and_partner_has_one_jacobian_on_all_routes(rule, outputs):
    graph, problem = deep(3, outputs), Quiz(3, outputs, ansatz=True, partners=True)
    theta, frozen = theta_of(graph)
    residuals = residuals_of(problem, graph, frozen, rule)
    found = {route: Jacobian(residuals, route).dense(theta)[1] for route in ROUTES}
    assert found["structured"].shape == (4 * 2 + 4, graph.n_theta + 2)
    close(found["black_box_two_sided"], found["structured"], 1e-6)
    close(found["black_box"], found["structured"], 2e-6)
    assert np.abs(found["structured"]).max() > 0.1


def test_products_are_those_of_the_whole():
    graph, problem = deep(), Quiz(2, ansatz=True, partners=True)
    theta, frozen = theta_of(graph)
    source = Jacobian(residuals_of(problem, graph, frozen, bf.pde.Taylor(), n=7))
    r, whole = source.dense(theta)
    again = np.zeros_like(whole)
    for rows, _, block in source.blocks(theta, floats=200):  # about two points at a time
        again[rows] = block
    np.testing.assert_allclose(again, whole, rtol=1e-12, atol=1e-14)
    for found in (source.normal(theta), source.gradient(theta)):
        np.testing.assert_array_equal(found[0], r)
        np.testing.assert_allclose(found[1], whole.T @ r, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(source.normal(theta)[2], whole.T @ whole, rtol=1e-10, atol=1e-13)


def test_columns_of_the_last_layer_are_among_all():
    graph, problem = deep(), Quiz(2, ansatz=True)
    theta, frozen = theta_of(graph)
    residuals = residuals_of(problem, graph, frozen, bf.pde.Taylor())
    head, whole = Jacobian(residuals, head_only=True), Jacobian(residuals)
    assert head.columns.tolist() == list(range(graph.n_theta - 5, graph.n_theta))
    np.testing.assert_allclose(head.dense(theta)[1], whole.dense(theta)[1][:, head.columns], rtol=1e-12)
    assert head.passes < whole.passes / 3


def test_forwards_count_what_is_spent():
    graph, problem = deep(), Quiz(2, partners=True)
    theta, frozen = theta_of(graph)
    for route, probes in (("black_box", graph.n_theta + 1), ("black_box_two_sided", 2 * graph.n_theta + 1)):
        residuals = residuals_of(problem, graph, frozen, bf.pde.Taylor())
        Jacobian(residuals, route).dense(theta)
        assert residuals.forwards == probes * residuals.passes
    residuals = residuals_of(problem, graph, frozen, bf.pde.Taylor())
    structured = Jacobian(residuals, "structured")
    structured.dense(theta)
    assert residuals.forwards == structured.passes < 30 * residuals.passes


class Counting:
    """An arithmetic that counts the multiply-accumulates of contractions."""

    def __init__(self, arithmetic):
        self.arithmetic, self.macs = arithmetic, 0

    def __getattr__(self, name):
        return getattr(self.arithmetic, name)

    def contract(self, a, x, start=0.0):
        self.macs += a.size * x.shape[0] * x.shape[2]
        return self.arithmetic.contract(a, x, start)


def test_the_cost_of_units_is_that_of_the_contractions_that_are_made():
    graph, problem = deep(), Quiz(2)
    theta, frozen = theta_of(graph)
    residuals = residuals_of(problem, graph, frozen, bf.pde.Taylor(), n=50)
    counter = residuals.network.engine.arithmetic = Counting(residuals.network.engine.arithmetic)
    structured = Jacobian(residuals, "structured")
    structured.dense(theta)
    counted = residuals.forwards * graph_macs(graph)
    assert 0.2 * counted < counter.macs <= counted * 1.02  # products of parameters and of slopes are not contractions


def test_the_cheaper_route_is_taken_and_refusals_say_why():
    problem = Quiz(2)
    graph = deep()
    theta, frozen = theta_of(graph)
    assert Jacobian(residuals_of(problem, graph, frozen, bf.pde.Taylor())).route == "structured"
    few = bf.Sequential(2, [bf.Linear(1)]).graph
    chosen = Jacobian(residuals_of(problem, few, np.zeros(0), bf.pde.Taylor()))
    other = {"structured": "black_box", "black_box": "structured"}[chosen.route]
    assert chosen.passes <= Jacobian(chosen.residuals, other).passes
    odd = bf.Sequential(2, [bf.Linear(3), bf.Softmax(), bf.Linear(1)]).graph
    residuals = residuals_of(problem, odd, np.zeros(0), bf.pde.Taylor())
    assert "softmax" in refusal(residuals.network) and Jacobian(residuals).route == "black_box"
    with pytest.raises(ValueError, match="route: expected black_box .*, got structured: node 'softmax2'"):
        Jacobian(residuals, "structured")
    with pytest.raises(ValueError, match=r"route: expected one of 'structured'"):
        Jacobian(residuals, "backwards")
    single = Residuals(
        problem, Network(graph, frozen, bf.ReferenceEngine()), bf.pde.Taylor(), {"residual": np.full((3, 2), 0.5)}
    )
    assert Jacobian(single).route == "black_box"
    r, found = Jacobian(single).dense(theta)
    assert np.abs(found - Jacobian(residuals_of_same(single, problem, graph, frozen)).dense(theta)[1]).max() < 0.05


def residuals_of_same(single, problem, graph, frozen):
    return Residuals(problem, Network(graph, frozen), bf.pde.Taylor(), {"residual": single.parts[0].points})
