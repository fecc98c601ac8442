"""A value that is not finite never becomes a finite loss, in any operation, loss and engine."""

import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, device_loop, floats, make_engine, show, single_op

import bpfree as bf
from bpfree.engines import ReferenceEngine, get_engine
from bpfree.engines.batch import Batch
from bpfree.engines.probes import Probe
from bpfree.errors import NumericError
from bpfree.estimators.layer_access import HEADS
from bpfree.graph.layers import assemble
from bpfree.losses import LOSSES
from bpfree.ops import OPS

pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|overflow|divide by zero) encountered:RuntimeWarning")

NO_CONSTANTS = np.zeros(0, np.float32)
HERE = [Probe(0, 0, 0, 0.0, 0, 0)]
LIMITS = {"relu": [-np.inf], "tanh": [np.inf, -np.inf], "sigmoid": [np.inf, -np.inf], "softmax": [-np.inf]}
"""Where an operation has a finite value at an infinity."""

LAYER_ACCESS = [*(bf.UnitWise(head=head) for head in HEADS), bf.NodePerturbation(2), bf.StructuredCGE()]

engines = pytest.mark.parametrize(
    "engine", [*map(make_engine, ENGINES), ReferenceEngine(), ReferenceEngine(dtype=np.float64)],
    ids=[*ENGINES, "float32", "float64"],
)  # fmt: skip


def with_one(x, bad):
    """A sample for each element of x that is bad, and one that is good."""
    rows = np.repeat(x[None], x.size + 1, axis=0)
    rows[np.arange(x.size), np.arange(x.size)] = bad
    return rows


@engines
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("op", [row.name for row in OPS if row.arity])
def test_operations(op, bad, engine):
    for attributes, shape in OPS[op].examples:
        graph = single_op(op, attributes, shape)
        theta = floats(1, graph.n_theta) + np.float32(0.01)
        x = with_one(floats(2, graph.input.size), bad)
        batch = Batch(x, targets=floats(3, len(x), graph.output.size))
        theta = theta.astype(engine.dtype)
        ((loss,), _) = engine.evaluate(graph, theta, NO_CONSTANTS, batch, LOSSES["mse"], HERE)
        limit = bad in LIMITS.get(op, ()) and graph.output.size > 1
        assert np.isfinite(loss).tolist() == [limit] * graph.input.size + [True]


@engines
@pytest.mark.parametrize("loss", [row.name for row in LOSSES])
def test_losses(loss, engine):
    """A score of -inf is a probability of 0: only where it is the label's is its loss not finite."""
    graph = assemble([4], [("flatten", "same", ["input"], {})])
    for bad in (np.nan, np.inf, -np.inf):
        x = with_one(floats(2, 4), bad)
        batch = Batch(x, labels=np.ones(5, np.uint32), targets=floats(3, 5, 4))
        theta = NO_CONSTANTS.astype(engine.dtype)
        ((values,), _) = engine.evaluate(graph, theta, NO_CONSTANTS, batch, LOSSES[loss], HERE)
        limit = loss == "softmax_cross_entropy" and bad == -np.inf
        assert np.isfinite(values).tolist() == [limit, False, limit, limit, True]


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("estimator", [bf.RGE(2), bf.CGE(), bf.UnitWise(), bf.CoordinateDescent(1.0)])
def test_a_device_does_not_step(estimator, position):
    """With NaN behind a ReLU, which used to make 0 of it."""
    model = bf.Sequential(3, [bf.Linear(4), bf.ReLU(), bf.Linear(2)], seed=0)
    update = bf.SGD(1.0)
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", estimator, update, batch_size=2)
    x = floats(1, 2, 3)
    x[1, position] = np.nan
    loop = device_loop(trainer, x, np.array([0, 1], np.uint32))
    with pytest.raises(NumericError):
        loop.step(model.theta, 0)
    assert_same_bits(loop.theta, model.theta)


@pytest.mark.parametrize("engine", ["reference", "exact", "compiled"])
@pytest.mark.parametrize(
    "estimator", [bf.RGE(2), bf.CGE(0.5), bf.Hybrid(9), bf.CoordinateDescent(1.0), *LAYER_ACCESS], ids=show
)
@pytest.mark.parametrize("loss", [row.name for row in LOSSES])
def test_estimates(estimator, loss, engine):
    model = bf.Sequential(3, [bf.Linear(4), bf.ReLU(), bf.Linear(3), bf.ReLU(), bf.Linear(2)], seed=0)
    trainer = bf.Trainer(model.graph, model.frozen, loss, estimator, bf.SGD(1.0), batch_size=2)
    x = floats(1, 2, 3)
    batch = Batch(x, labels=np.array([0, 1], np.uint32), targets=floats(2, 2, 2))
    assert trainer.estimate(get_engine(engine), model.theta, batch, 0).finite
    x[1, 1] = np.nan
    assert not trainer.estimate(get_engine(engine), model.theta, batch, 0).finite


@pytest.mark.parametrize("engine", ENGINES)
def test_relu(engine):
    """Of a finite number its bits or +0; of NaN one."""
    x = np.array([[np.nan, 2.0, -0.0, 0.0, -1e-45, 1e-45, -3e38, np.inf, -np.inf]], np.float32)
    y = make_engine(engine).predict(single_op("relu", {}, ((9,),)), NO_CONSTANTS, NO_CONSTANTS, x)[0]
    assert np.isnan(y[0])
    assert_same_bits(y[1:], np.array([2, 0, 0, 0, 1e-45, 0, np.inf, 0], np.float32))
