# SPDX-License-Identifier: MIT
"""Every operation's values against an independent formula, in float64."""

import numpy as np
import pytest
import scipy.special
from graph_oracle import ORACLES, outputs
from helpers import assert_same_bits, device_loop, floats, make_engine, single_op

import bpfree as bf
from bpfree.engines import ReferenceEngine
from bpfree.graph.arena import plan_arena
from bpfree.graph.c_tables import model_tables
from bpfree.graph.layers import assemble
from bpfree.ops import OPS
from bpfree.trainer import Trainer

NONE = np.zeros(0, np.float32)
EXAMPLES = [(row.name, *example) for row in OPS for example in row.examples]


def test_every_op_has_an_oracle():
    assert set(ORACLES) == {row.name for row in OPS}


@pytest.mark.parametrize("engine", ["exact", "compiled-scalar"])
@pytest.mark.parametrize(("op", "attributes", "shapes"), EXAMPLES)
def test_values(op, attributes, shapes, engine):
    graph = single_op(op, attributes, shapes)
    theta, x = floats(4, graph.n_theta), floats(5, 17, graph.input.size, scale=2)
    y = make_engine(engine).predict(graph, theta, NONE, x)
    expected = outputs(graph, theta.astype(float), NONE, x.astype(float))
    assert y.shape == expected.shape
    # a function is off by a few units of rounding, a sum of up to some hundred products by more of its largest term
    share = 2e-6 * np.abs(expected).max() if graph.n_theta else 1e-7
    np.testing.assert_allclose(y, expected, rtol=3e-7, atol=share)


def residual_model():
    inner = bf.Residual(bf.Linear(8), bf.Tanh(), bf.TTLinear((2, 4), (4, 2), rank=2))
    layers = [bf.Scale(0.5, -0.1), bf.Linear(8), inner, bf.Residual(bf.ReLU()), bf.Linear(3), bf.Softmax()]
    return bf.Sequential((2, 3), [bf.Flatten(), *layers], seed=4)


def test_a_residual_network_is_what_its_formula_says():
    model = residual_model()
    p = {name: value.astype(float) for name, value in model.parameters().items()}
    x = floats(6, 5, 2, 3)
    h = (0.5 * x.reshape(5, 6) - 0.1) @ p["linear3.weight"].T + p["linear3.bias"]
    t = np.tanh(h @ p["linear4.weight"].T + p["linear4.bias"])
    w = np.einsum("aior,rjpb->ijop", p["tt_linear6.core0"], p["tt_linear6.core1"]).reshape(8, 8)
    h = h + t @ w + p["tt_linear6.bias"]
    h = h + np.maximum(h, 0)
    expected = scipy.special.softmax(h @ p["linear10.weight"].T + p["linear10.bias"], axis=1)
    np.testing.assert_allclose(model.predict(x, "reference"), expected, rtol=1e-5)
    assert_same_bits(model.predict(x, "compiled"), model.predict(x, "exact"))


@pytest.mark.parametrize("two_sided", [True, False])
def test_a_residual_network_trains_to_the_same_bits_on_the_device_path(two_sided):
    model = residual_model()
    x, y = floats(7, 20, 6), floats(8, 20, 3)
    estimator = bf.RGE(n_queries=2, two_sided=two_sided, grouping="layer")
    trainer = Trainer(model.graph, model.frozen, "mse", estimator, bf.SGD(0.01), batch_size=4)
    exact = bf.train(
        model, (x, y), loss="mse", estimator=estimator, update=bf.SGD(0.01), batch_size=4, max_steps=10, engine="exact"
    )
    loop, theta = device_loop(trainer, x, targets=y), model.theta
    for step in range(10):
        theta = loop.step(theta, step)
    assert_same_bits(theta, exact.model.theta)


def test_an_addition_is_not_put_in_place_of_an_input_both_sides_share():
    """a is one copy for both sides, a + f(a) needs two: the plan must not lay one over the other."""
    rows = [
        ("scale", "a", ["input"], {"factor": 2.0, "offset": 0.0}),
        ("linear", "f", ["a"], {"outputs": 4, "bias": True}),
        ("add", "y", ["a", "f"], {}),
    ]
    graph = assemble((4,), rows)
    plan = plan_arena(graph, sides=2)
    assert plan.per_sample >= 3 * 4 + 4
    theta, x, targets = floats(1, graph.n_theta), floats(2, 6, 4), floats(3, 6, 4)
    trainer = Trainer(graph, NONE, "mse", bf.RGE(), bf.SGD(), batch_size=6)
    loop = device_loop(trainer, x, targets=targets)
    batch = bf.engines.Batch(x, targets=targets).take(trainer.indices(0, 6))
    estimate = trainer.estimate(ReferenceEngine(exact=True), theta, batch, 0)
    loop.step(theta, 0)
    assert_same_bits(loop.coefficients.reshape(1, 1), estimate.coefficients)
    assert model_tables(graph, sides=2).tensors[1][2] == 0  # a is shared


BAD = [
    (lambda: bf.Residual(), "Residual: expected at least one layer"),
    (lambda: bf.Sequential(4, [bf.Residual(bf.Linear(3))]), r"add expects inputs of one shape, got \[\(4,\), \(3,\)\]"),
    (lambda: bf.Sequential(4, [bf.Scale(float("inf"))]), "factor: expected a finite float32 number, got inf"),
    (lambda: bf.Sequential(4, [bf.Scale("a")]), "factor: expected a number, got 'a'"),
    (lambda: assemble((4,), [("add", "y", ["input"], {})]), "add expects 2 inputs, got 1"),
    (lambda: assemble((4,), [("scale", "y", ["input"], {"factor": 1.0})]), "expected attributes .* got"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
