"""Nodes that read nothing: a tensor that is learned goes through every engine, estimator and rule like any other."""

import graph_oracle
import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, floats, make_engine
from layer_networks import CLASSES, LOSSES, N, linear

import bpfree as bf
from bpfree.engines import CompiledEngine, ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.engines.reuse import Flow, members
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.trainer import Trainer

WIDE = ReferenceEngine(dtype=np.float64)
TOKEN = ("parameter", "token", [], {"shape": [6]})
GRAPHS = {
    "added": [linear("a", "input", 6), TOKEN, ("add", "sum", ["a", "token"], {}), ("tanh", "h", ["sum"], {}),
              linear("head", "h", CLASSES)],
    "through a layer of its own": [
        TOKEN, linear("b", "token", 6), ("sin", "s", ["b"], {}), linear("a", "input", 6),
        ("add", "sum", ["s", "a"], {}), ("sigmoid", "h", ["sum"], {}), linear("head", "h", CLASSES),
    ],
    "the scores": [linear("a", "input", CLASSES), ("parameter", "p", [], {"shape": [CLASSES]}),
                   ("add", "y", ["a", "p"], {})],
    "all there is": [("parameter", "y", [], {"shape": [CLASSES]})],
}  # fmt: skip
graphs = pytest.mark.parametrize("name", GRAPHS)
losses = pytest.mark.parametrize("loss", LOSSES)


def network(name, frozen=()):
    graph = assemble([5], GRAPHS[name], frozen=frozen)
    theta, constants = initial_parameters(graph, 5)
    return graph, theta + floats(9, theta.size, scale=0.4), constants + floats(4, constants.size, scale=0.4)


def estimate(graph, theta, constants, estimator, loss, engine=WIDE):
    trainer = Trainer(graph, constants, loss, estimator, bf.SGD(1.0), batch_size=N, seed=3)
    return trainer.estimate(engine, theta.astype(engine.dtype), Batch(floats(7, N, 5), **LOSSES[loss]), 0)


@graphs
@losses
@pytest.mark.parametrize(
    "estimator", [bf.UnitWise(1e-4), bf.UnitWise(1e-4, head="probe"), bf.StructuredCGE(1e-4), bf.CGE(mu=1e-4)]
)
def test_gradients_are_those_of_autograd(name, loss, estimator):
    graph, theta, constants = network(name)
    true = graph_oracle.gradient(graph, theta, constants, floats(7, N, 5), **LOSSES[loss])
    found = estimate(graph, theta, constants, estimator, loss).coefficients[0]
    np.testing.assert_allclose(found, true, atol=1e-6 * np.abs(true).max())


@graphs
@losses
def test_node_perturbation_of_it_points_where_the_gradient_does(name, loss):
    graph, theta, constants = network(name)
    true = graph_oracle.gradient(graph, theta, constants, floats(7, N, 5), **LOSSES[loss])
    found = estimate(graph, theta, constants, bf.NodePerturbation(1500, 1e-5, head="probe"), loss).coefficients[0]
    assert found @ true > 0.99 * np.linalg.norm(found) * np.linalg.norm(true)


@graphs
@pytest.mark.parametrize("estimator", [bf.UnitWise(0.01), bf.StructuredCGE(), bf.RGE(2), bf.CGE(0.5), bf.Hybrid(9)])
def test_engines_agree_bit_for_bit(name, estimator):
    graph, theta, constants = network(name)
    expected = estimate(graph, theta, constants, estimator, "mse", make_engine("exact"))
    for other in ENGINES[1:]:
        result = estimate(graph, theta, constants, estimator, "mse", make_engine(other))
        assert_same_bits(result.coefficients, expected.coefficients)
        assert_same_bits(result.losses, expected.losses)
        assert result.forwards == expected.forwards


def test_a_frozen_one_is_a_constant():
    graph, theta, constants = network("through a layer of its own", ["token.value", "b.weight", "b.bias"])
    x = floats(7, N, 5)
    expected = graph_oracle.outputs(graph, theta.astype(float), constants.astype(float), x.astype(float))
    np.testing.assert_allclose(WIDE.predict(graph, theta, constants, x), expected, rtol=1e-12)
    assert_same_bits(CompiledEngine().predict(graph, theta, constants, x),
                     make_engine("exact").predict(graph, theta, constants, x))  # fmt: skip
    true = graph_oracle.gradient(graph, theta, constants, x, **LOSSES["mse"])
    found = estimate(graph, theta, constants, bf.UnitWise(1e-4), "mse").coefficients[0]
    np.testing.assert_allclose(found, true, atol=1e-6 * np.abs(true).max())


def test_a_probe_of_it_runs_what_it_feeds_and_nothing_else():
    graph = network("added")[0]
    names = [node.name for node in graph.nodes]
    flow = Flow(graph)
    (moved,) = (part for part in graph.slices if part.name == "token.value")
    changed = flow.changed(moved.offset, moved.size)
    assert [names[k] for k in members(changed)] == ["token", "sum", "h", "head"]
    assert flow.run(changed, flow.base((1 << len(names)) - 1)) == changed
    assert [names[k] for k in members(flow.changed(0, 1))] == ["a", "sum", "h", "head"]


class Wave(bf.pde.Problem):
    """u_t + u u_x = sin x."""

    domain = bf.pde.Box(x=(0, 1), t=(0, 1))
    conditions = [bf.pde.Initial(lambda x: np.sin(x)), bf.pde.Dirichlet("x", lambda x, t: np.sin(x))]

    def residual(self, u, c):
        return u.t + u * u.x - u.xx


@pytest.mark.parametrize("name", ["added", "through a layer of its own"])
def test_residuals_of_a_network_with_one_have_the_jacobian_of_differences(name):
    rows = [*GRAPHS[name][:-1], linear("head", "h", 1)]
    graph = assemble([2], rows)
    theta, _ = initial_parameters(graph, 3)
    model = bf.Model(graph, theta + floats(8, theta.size, scale=0.3))
    steps = {
        route: bf.pde.solve(Wave(), model, method=bf.LevenbergMarquardt(route=route), points=40, max_steps=2).theta
        for route in ("structured", "black_box_two_sided")
    }
    np.testing.assert_allclose(steps["structured"], steps["black_box_two_sided"], rtol=1e-4, atol=1e-6)
    token = next(part for part in graph.slices if part.name == "token.value")
    assert np.abs(steps["structured"][token.range] - model.theta[token.range]).max() > 1e-3


def test_it_is_saved_and_read_again(tmp_path):
    graph, theta, constants = network("added", ["token.value"])
    bf.Model(graph, theta, constants).save(tmp_path / "model.npz")
    again = bf.Model.load(tmp_path / "model.npz")
    assert again.graph == graph and again.graph.hash() == graph.hash()
    assert_same_bits(again.frozen, constants)
