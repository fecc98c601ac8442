"""Samples with weights: fl(w_b L_b) in every estimator, the gradient of the weighted loss, equal bits everywhere."""

import graph_oracle
import numpy as np
import pytest
from helpers import ENGINES, ESTIMATOR_SETTINGS, assert_same_bits, device_loop, fitting, floats, make_engine, show
from layer_networks import LOSSES, N, network

import bpfree as bf
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.errors import BpfreeError, NumericError
from bpfree.trainer import Trainer
from bpfree.updates.sgd import SGD

ESTIMATORS = [settings for row in ESTIMATOR_SETTINGS.values() for settings in row]
WEIGHTS = np.random.default_rng(8).exponential(size=N).astype(np.float32)
WEIGHTS[2] = 0
WIDE = ReferenceEngine(dtype=np.float64)


def batch_of(graph, loss, weights=WEIGHTS):
    return Batch(floats(7, N, graph.input.size), **LOSSES[loss], weights=weights)


def estimate(estimator, batch, loss, engine, name="tensor trains", step=5):
    graph, theta, constants = network(name)
    trainer = Trainer(graph, constants, loss, estimator, fitting(estimator, SGD()), len(batch), 3, weighted=True)
    return trainer.estimate(engine, theta.astype(engine.dtype), batch, step)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=show)
def test_the_same_bits_in_every_engine_and_on_a_device(estimator, loss):
    graph, theta, constants = network("tensor trains" if estimator.row.tier == "black-box" else "deep")
    trainer = Trainer(graph, constants, loss, estimator, fitting(estimator, SGD()), N, 3, weighted=True)
    batch = batch_of(graph, loss)
    order = batch.take(trainer.indices(5, N))
    expected = trainer.estimate(make_engine("exact"), theta, order, 5)
    plain = trainer.estimate(make_engine("exact"), theta, Batch(*order.parts[:3]), 5)
    assert not np.array_equal(expected.coefficients, plain.coefficients) or estimator.coefficients_are == "moves"
    assert not np.array_equal(expected.losses, plain.losses)
    for engine in ENGINES[1:]:
        found = trainer.estimate(make_engine(engine), theta, order, 5)
        assert_same_bits(found.losses, expected.losses)
        assert_same_bits(found.coefficients, expected.coefficients)
    assert trainer.refusal is None or isinstance(estimator, bf.NodePerturbation | bf.StructuredCGE)
    if not trainer.refusal:
        loop = device_loop(trainer, *batch.parts[:3], weights=batch.weights)
        loop.step(theta, 5)
        assert_same_bits(loop.coefficients.reshape(expected.coefficients.shape), expected.coefficients)


def true_gradient(graph, theta, constants, batch, loss):
    """The mean of w_b times the gradient of sample b alone, by automatic differentiation."""
    total = 0.0
    for b, weight in enumerate(batch.weights.astype(float)):
        one = {name: values[b : b + 1] for name, values in LOSSES[loss].items()}
        total = total + weight * graph_oracle.gradient(graph, theta, constants, batch.x[b : b + 1], **one)
    return total / len(batch)


EXACT = [
    *(bf.UnitWise(1e-4, two_sided, head) for two_sided in (True, False) for head in ("exact", "probe")),
    *(bf.StructuredCGE(1e-4, two_sided) for two_sided in (True, False)),
    *(bf.CGE(mu=1e-4, two_sided=two_sided) for two_sided in (True, False)),
]


@pytest.mark.parametrize("name", ["one hidden layer", "deep", "tensor trains", "skips"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("estimator", EXACT, ids=show)
def test_the_gradient_of_the_weighted_loss(estimator, loss, name):
    graph, theta, constants = network(name)
    batch = batch_of(graph, loss)
    true = true_gradient(graph, theta, constants, batch, loss)
    g = estimate(estimator, batch, loss, WIDE, name).coefficients[0]
    tolerance = 1e-6 if estimator.two_sided else 2e-3
    np.testing.assert_allclose(g, true, atol=tolerance * np.abs(true).max())
    plain = graph_oracle.gradient(graph, theta, constants, batch.x, **LOSSES[loss])
    assert np.abs(plain - true).max() > 0.02 * np.abs(true).max(), "else the weights could be left out"


def test_the_mean_of_node_perturbations_is_that_gradient():
    graph, theta, constants = network("deep")
    batch = batch_of(graph, "cross_entropy")
    true = true_gradient(graph, theta, constants, batch, "cross_entropy")
    estimator = bf.NodePerturbation(3000, 1e-5, head="probe")
    g = estimate(estimator, batch, "cross_entropy", WIDE, "deep").coefficients[0]
    assert g @ true / (np.linalg.norm(g) * np.linalg.norm(true)) > 0.99
    assert np.linalg.norm(g) / np.linalg.norm(true) == pytest.approx(1, abs=0.05)


DRAWING_NOTHING_BY_SAMPLE = [e for e in ESTIMATORS if not isinstance(e, bf.NodePerturbation)]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("estimator", DRAWING_NOTHING_BY_SAMPLE, ids=show)
def test_weight_2_is_the_sample_twice_and_weight_0_no_sample(estimator, loss):
    """Up to rounding, and the scaling that keeps the mean at 1. (Node perturbation draws for every sample.)"""
    graph, _, _ = network("tensor trains")
    counts = np.random.default_rng(3).integers(0, 4, N)
    assert 0 in counts and 3 in counts
    weights = (counts / counts.mean()).astype(np.float32)
    whole = batch_of(graph, loss, weights)
    several = Batch(*whole.parts[:3]).take(np.repeat(np.arange(N), counts))
    weighted, repeated = (estimate(estimator, batch, loss, WIDE) for batch in (whole, several))
    scale = np.abs(repeated.coefficients).max()
    np.testing.assert_allclose(weighted.coefficients, repeated.coefficients, atol=1e-4 * scale)
    assert weighted.loss * 1.0 == pytest.approx(repeated.loss, rel=1e-5)


@pytest.mark.parametrize("estimator", [bf.RGE(2), bf.UnitWise(), bf.CoordinateDescent(mu=0.1)], ids=show)
def test_weights_of_1_change_no_bit(estimator):
    graph, _, _ = network("tensor trains")
    ones, none = (batch_of(graph, "mse", weights) for weights in (np.ones(N, np.float32), None))
    expected = estimate(estimator, none, "mse", make_engine("exact"))
    for engine in map(make_engine, ENGINES):
        assert_same_bits(estimate(estimator, ones, "mse", engine).coefficients, expected.coefficients)


def test_an_infinite_loss_stays_one_with_weight_0():
    """0 times infinity is no loss: the step is not made."""
    graph, theta, constants = network("one hidden layer")
    trainer = Trainer(graph, constants, "mse", bf.RGE(2), SGD(), N, 3, weighted=True)
    batch = batch_of(graph, "mse")
    huge = Batch(batch.x, None, batch.targets + np.float32(1e30), np.eye(1, N, dtype=np.float32)[0])
    for engine in map(make_engine, ENGINES):
        assert not trainer.estimate(engine, theta, huge, 0).finite
    with pytest.raises(NumericError):
        device_loop(trainer, *huge.parts[:3], weights=huge.weights).step(theta, 0)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_device_refuses_what_is_no_weight(weight):
    """But only where its trainer reads weights."""
    graph, theta, constants = network("one hidden layer")
    batch = batch_of(graph, "mse", np.full(N, weight, np.float32))
    for estimator in (bf.RGE(2), bf.UnitWise()):
        weighted, plain = (
            Trainer(graph, constants, "mse", estimator, SGD(), N, 3, weighted=weighted) for weighted in (True, False)
        )
        with pytest.raises(BpfreeError, match="the sample callback returned an error"):
            device_loop(weighted, *batch.parts[:3], weights=batch.weights).step(theta, 0)
        moved = device_loop(plain, *batch.parts[:3], weights=batch.weights).step(theta, 0)
        assert_same_bits(moved, device_loop(plain, *batch.parts[:3]).step(theta, 0))
