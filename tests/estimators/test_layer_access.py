"""The layer-access estimators against automatic differentiation: direction, norm, cost, parity, errors."""

import pickle

import graph_oracle
import numpy as np
import pytest
from helpers import ENGINES, Counting, assert_same_bits, floats, make_engine
from layer_networks import GRAPHS, LOSSES, N, network

import bpfree as bf
from bpfree.arithmetic import Fast
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.ops import OPS
from bpfree.trainer import Trainer

WIDE = ReferenceEngine(dtype=np.float64)


def estimate(graph, theta, constants, estimator, loss, engine=WIDE, step=0):
    trainer = Trainer(graph, constants, loss, estimator, bf.SGD(1.0), batch_size=N, seed=3)
    x = floats(7, N, graph.input.size)
    return trainer.estimate(engine, theta.astype(engine.dtype), Batch(x, **LOSSES[loss]), step)


def true_gradient(graph, theta, constants, loss):
    return graph_oracle.gradient(graph, theta, constants, floats(7, N, graph.input.size), **LOSSES[loss])


graphs = pytest.mark.parametrize("name", GRAPHS)
losses = pytest.mark.parametrize("loss", LOSSES)


@graphs
@losses
@pytest.mark.parametrize("head", ["exact", "probe"])
def test_unit_wise_is_the_gradient_up_to_mu_squared(name, loss, head):
    graph, theta, constants = network(name)
    true, errors = true_gradient(graph, theta, constants, loss), []
    for mu in (2e-3, 1e-3):
        g = estimate(graph, theta, constants, bf.UnitWise(mu, head=head), loss).coefficients[0]
        errors.append(np.abs(g - true).max() / np.abs(true).max())
    assert errors[1] < 1e-5
    if errors[1] > 1e-9:  # else nothing was probed, or the loss is a parabola
        assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


@graphs
@losses
def test_unit_wise_one_sided(name, loss):
    graph, theta, constants = network(name)
    true = true_gradient(graph, theta, constants, loss)
    g = estimate(graph, theta, constants, bf.UnitWise(1e-6, two_sided=False, head="probe"), loss).coefficients[0]
    np.testing.assert_allclose(g, true, atol=1e-5 * np.abs(true).max())


@pytest.mark.parametrize("frozen", [("b.weight",), ("a.weight", "a.bias", "head.bias"), ("head.weight",)])
def test_constants_get_nothing_and_the_rest_is_in_its_place(frozen):
    graph, theta, constants = network("skips", frozen)
    true = true_gradient(graph, theta, constants, "mse")
    g = estimate(graph, theta, constants, bf.UnitWise(1e-4), "mse").coefficients[0]
    assert g.shape == (graph.n_theta,)
    np.testing.assert_allclose(g, true, atol=1e-6 * np.abs(true).max())


@pytest.mark.parametrize("name", ["one hidden layer", "deep", "tensor trains", "skips"])
@pytest.mark.parametrize("two_sided", [True, False])
def test_the_mean_of_node_perturbations_is_the_gradient(name, two_sided):
    """Cosine and norm ratio of the mean over 3,000 directions, and the mean of single ones stays longer."""
    graph, theta, constants = network(name)
    true = true_gradient(graph, theta, constants, "cross_entropy")
    estimator = bf.NodePerturbation(3000, 1e-5, two_sided, head="probe")
    g = estimate(graph, theta, constants, estimator, "cross_entropy").coefficients[0]
    length, norm = np.linalg.norm(g), np.linalg.norm(true)
    assert g @ true / (length * norm) > 0.99
    assert length / norm == pytest.approx(1, abs=0.03)
    one = estimate(graph, theta, constants, bf.NodePerturbation(1, 1e-5, two_sided), "cross_entropy").coefficients[0]
    assert np.linalg.norm(one) > 1.05 * norm


def test_every_sample_has_directions_of_its_own():
    """With all samples equal, one query sees as many directions as there are samples."""
    graph, theta, constants = network("one hidden layer")
    x = np.repeat(floats(7, 1, 11), 2000, axis=0)
    labels = np.ones(2000, np.uint32)
    trainer = Trainer(graph, constants, "cross_entropy", bf.NodePerturbation(mu=1e-5), bf.SGD(1.0), len(x), 3)
    g = trainer.estimate(WIDE, theta.astype(float), Batch(x, labels), 0).coefficients[0]
    true = graph_oracle.gradient(graph, theta, constants, x[:1], labels[:1])
    assert np.linalg.norm(g - true) < 0.15 * np.linalg.norm(true)
    other = trainer.estimate(WIDE, theta.astype(float), Batch(x, labels), 1).coefficients[0]
    assert not np.array_equal(g, other)


@graphs
@losses
@pytest.mark.parametrize("estimator", [bf.UnitWise(), bf.UnitWise(0.01, False, "probe"), bf.NodePerturbation(2)])
def test_engines_agree_bit_for_bit(name, loss, estimator):
    graph, theta, constants = network(name)
    expected = estimate(graph, theta, constants, estimator, loss, make_engine("exact"), step=4)
    for other in ENGINES[1:]:
        result = estimate(graph, theta, constants, estimator, loss, make_engine(other), step=4)
        assert_same_bits(result.coefficients, expected.coefficients)
        assert_same_bits(result.losses, expected.losses)
        assert result.forwards == expected.forwards


@pytest.mark.parametrize("name", ["one hidden layer", "tensor trains"])
def test_with_blas_the_compiled_engine_looks_as_the_reference_does(name):
    graph, theta, constants = network(name)
    engine = bf.CompiledEngine(blas=True)
    trainer = Trainer(graph, constants, "mse", bf.UnitWise(), bf.Adam(0.1), batch_size=N, seed=3)
    batch = Batch(floats(7, N, graph.input.size), **LOSSES["mse"])
    ours, reference = (trainer.estimate(e, theta, batch, 0).coefficients for e in (engine, ReferenceEngine()))
    assert_same_bits(ours, reference)
    state = trainer.initial_state(theta)
    assert_same_bits(*(e.apply(trainer, theta, state, 0, ours)[0] for e in (engine, make_engine("exact"))))
    assert engine.name != bf.CompiledEngine().name  # a checkpoint of one is not gone on with by the other
    assert pickle.loads(pickle.dumps(engine)).blas


def test_float32_error_of_the_shared_exponentials():
    """methods.md: 1.5e-4 at mu = 2^-7; the log1p form stays within it."""
    graph, theta, constants = network("one hidden layer")
    true = true_gradient(graph, theta, constants, "cross_entropy")
    g = estimate(graph, theta, constants, bf.UnitWise(2.0**-7), "cross_entropy", make_engine("exact")).coefficients[0]
    assert np.abs(g - true).max() < 1.5e-4 * np.abs(true).max()


@pytest.mark.parametrize("op", [op.name for op in OPS if op.elementwise])
def test_derivatives_of_elementwise_operations(op):
    row = OPS[op]
    for example in row.examples:
        site = row.site(*example)
        x = floats(3, site.features, 5).astype(float)
        f = lambda v: row.forward(site, WIDE.arithmetic, [], (v,))  # noqa: B023
        slope = row.elementwise.derivative(site, WIDE.arithmetic, x, f(x))
        np.testing.assert_allclose(slope, (f(x + 1e-6) - f(x - 1e-6)) / 2e-6, rtol=1e-6, atol=1e-7)


def test_cost_is_counted_in_multiply_accumulates():
    """784-1024-10: a pass, two outer products of its size, and 1,024 columns of ten scores a side."""
    model = bf.Sequential(784, [bf.Linear(1024), bf.ReLU(), bf.Linear(10)])
    plain = 784 * 1024 + 1024 * 10
    for two_sided in (True, False):
        spent = 2 * plain + 1024 * 10 * (1 + two_sided)
        estimator = bf.UnitWise(two_sided=two_sided)
        assert estimator.forwards(model.graph, 100) == -(-spent * 100 // plain)
    deep = bf.Sequential(8, [bf.Linear(5), bf.Tanh(), bf.Linear(4), bf.Tanh(), bf.Linear(3)])
    plain, head = 40 + 20 + 12, 12
    spent = 2 * plain + 4 * 3 * 2 + 5 * 2 * (4 + head)
    assert bf.UnitWise().forwards(deep.graph, 1000) == -(-spent * 1000 // plain)
    assert bf.NodePerturbation(3).forwards(deep.graph, 1000) == -(-(2 * plain + 3 * 2 * (12 + 32)) * 1000 // plain)


@pytest.mark.parametrize("op", [op for op in OPS if op.layer], ids=lambda op: op.name)
def test_projections_and_matrices_cost_what_they_say(op):
    """Against the products that are made; the sums of delta, for biases, count nothing, as in a pass."""
    n = 5
    for example in op.examples:
        site = op.site(*example)
        parameters = [floats(k, *size).astype(float) for k, (_, size) in enumerate(op.parameters.rows(site))]
        inputs = tuple(floats(1, int(np.prod(shape)), n).astype(float) for shape in site.shapes)
        counting, met = Counting(), inputs
        if op.layer.partials:
            y, met = op.layer.partials(site, Fast, parameters, inputs)
            np.testing.assert_array_equal(y, op.forward(site, Fast, parameters, inputs))
        op.layer.project(site, counting, parameters, met, floats(2, site.outputs, n))
        each, once = op.layer.project_macs(site)
        assert counting.macs == each * n + once + op.layer.added(site) * site.outputs * n
        if op.layer.matrix:
            counting = Counting()
            op.layer.matrix(site, counting, parameters)
            assert counting.macs == op.layer.matrix_macs(site)


def test_training_counts_one_evaluation_a_step_and_reports_the_forwards():
    x, y = floats(1, 8, 4), np.arange(8) % 2
    model = bf.Sequential(4, [bf.Linear(3), bf.Tanh(), bf.Linear(2)])
    run = bf.train(model, (x, y), estimator=bf.UnitWise(), max_steps=5, batch_size=4)
    assert run.evaluations == 5 and run.forwards == 5 * bf.UnitWise().forwards(model.graph, 4)
    bounded = bf.train(model, (x, y), estimator=bf.UnitWise(), max_forwards=run.forwards + 1, batch_size=4)
    assert bounded.steps == 5 and bounded.model.hash == run.model.hash


def test_a_loss_that_is_not_finite_is_a_result():
    model = bf.Sequential(4, [bf.Linear(3), bf.Linear(2)])
    model.theta[:] = 3e38
    run = bf.train(model, (floats(1, 4, 4), np.arange(4) % 2), estimator=bf.UnitWise(), max_steps=2, batch_size=4)
    assert run.outcome_code == "nonfinite_loss" and run.steps == 0


BAD = [
    (lambda: bf.UnitWise(mu=0), ValueError, "mu: expected"),
    (lambda: bf.UnitWise(two_sided=2), ValueError, "two_sided: expected"),
    (lambda: bf.UnitWise(head="none"), ValueError, "head: expected one of"),
    (lambda: bf.NodePerturbation(0), ValueError, "n_queries: expected"),
    (lambda: bf.NodePerturbation(head=None), ValueError, "head: expected one of"),
    (lambda: bf.UnitWise().start(np.zeros(3)), TypeError, "asks for points, got UnitWise, which moves activations"),
    (lambda: bf.minimize(np.sum, np.zeros(3), estimator=bf.NodePerturbation(), max_steps=1), TypeError, "take RGE"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_wrong_use(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_engine_that_shows_only_losses_is_refused():
    class BlackBox:
        def evaluate(self, *arguments):
            raise AssertionError("not asked")

        predict = apply = evaluate

    with pytest.raises(TypeError, match="as unit_wise looks into the layers"):
        bf.train(bf.Sequential(4, [bf.Linear(2)]), (floats(1, 4, 4), np.arange(4) % 2), estimator=bf.UnitWise(),
                 max_steps=1, batch_size=2, engine=BlackBox())
