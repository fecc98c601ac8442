"""Probes, estimates, updates: the same bits from reference, every instruction set and device loop."""

import numpy as np
import pytest
from helpers import (
    CHAINS,
    ENGINES,
    ESTIMATOR_SETTINGS,
    assert_same_bits,
    device_loop,
    fits,
    fitting,
    floats,
    make_engine,
    probing,
    show,
)
from update_oracles import UPDATE_SETTINGS

import bpfree as bf
from bpfree.directions.rademacher import draw as direction
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.engines.probes import Probe, pack, perturb
from bpfree.errors import NumericError
from bpfree.graph.c_tables import model_tables
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer
from bpfree.trainer import Trainer
from bpfree.updates.sgd import SGD

N = 11
ESTIMATORS = [settings for row in ESTIMATOR_SETTINGS.values() for settings in row]
FEW = [settings for row in ESTIMATOR_SETTINGS.values() for settings in (row[0], row[-1])]
UPDATES = [*(settings for row in UPDATE_SETTINGS.values() for settings in row), *CHAINS]


def mixed(frozen=()):
    """A graph with every kind of slice: cores, weights over several random blocks, biases."""
    train = {"inputs": [3, 5], "outputs": [4, 3], "ranks": [1, 3, 1], "start": "right", "bias": True}
    rows = [
        ("tt_linear", "tt", ["input"], train),
        ("tanh", "act", ["tt"], {}),
        ("linear", "hidden", ["act"], {"outputs": 17, "bias": True}),
        ("relu", "act2", ["hidden"], {}),
        ("linear", "head", ["act2"], {"outputs": 4, "bias": False}),
    ]
    graph = assemble([14], rows, frozen=frozen)
    theta, constants = initial_parameters(graph, seed=5)
    return graph, theta + floats(9, theta.size, scale=0.1), constants


def samples():
    x, labels = floats(1, N, 14), np.random.default_rng(2).integers(0, 4, N).astype(np.uint32)
    return x, labels


@pytest.mark.parametrize("mu", [2.0**-7, -0.01, 1e-20, 3.0])
@pytest.mark.parametrize(("first", "count"), [(0, 200), (30, 75), (11, 3), (129, 71), (63, 0), (100, 64)])
@pytest.mark.parametrize("frozen", [(), ("tt.core1", "hidden.bias")], ids=["trained", "frozen"])
def test_perturb(frozen, first, count, mu):
    graph, theta, constants = mixed(frozen)
    probe = Probe(seed=0, step=12, query=4095, mu=mu, first=first, count=count)
    expected = perturb(graph, theta, probe)
    native = NativeModel(model_tables(graph)).perturb(theta, pack([probe]))
    assert_same_bits(native, expected)
    own = np.isin(np.arange(theta.size), np.arange(first, first + count))
    for piece in graph.pieces(0, theta.size):
        moved = theta[piece.range] + np.float32(mu) * direction(piece, 0, 12, 4095)
        assert_same_bits(expected[piece.range], np.where(own[piece.range], moved, theta[piece.range]))


def test_perturb_refuses_ranges_out_of_theta():
    graph, theta, constants = mixed()
    native = NativeModel(model_tables(graph))
    for first, count in [(0, theta.size + 1), (theta.size, 1), (2**32 - 1, 2), (1, 2**32 - 1)]:
        with pytest.raises(ValueError, match="perturb: an argument is out of range"):
            native.perturb(theta, pack([Probe(0, 0, 0, 0.1, first, count)]))


@pytest.mark.parametrize("frozen", [(), ("tt.core1", "hidden.bias")], ids=["trained", "frozen"])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=show)
def test_estimates(estimator, frozen):
    graph, theta, constants = mixed(frozen)
    x, labels = samples()
    update = fitting(estimator, SGD())
    trainer = Trainer(graph, constants, "cross_entropy", estimator, update, batch_size=N, seed=0)
    step = 7
    batch = Batch(x, labels).take(trainer.indices(step, N))
    expected = trainer.estimate(ReferenceEngine(exact=True), theta, batch, step)
    assert expected.finite and expected.n_evaluations <= trainer.evaluations
    varying = estimator.coefficients_are == "moves" or getattr(estimator, "order", None) == "cyclic"
    assert expected.n_evaluations == trainer.evaluations or varying
    for name in ENGINES[1:]:
        estimate = trainer.estimate(make_engine(name), theta, batch, step)
        assert_same_bits(estimate.losses, expected.losses)
        assert_same_bits(estimate.coefficients, expected.coefficients)
    if trainer.refusal:  # its updates alone run in C
        with pytest.raises(ValueError, match="an argument is out of range"):
            device_loop(trainer, x, labels).step(theta, step)
        return
    loop = device_loop(trainer, x, labels)
    after = loop.step(theta, step)
    assert_same_bits(loop.coefficients.reshape(expected.coefficients.shape), expected.coefficients)
    assert_same_bits(
        after, ReferenceEngine(exact=True).apply(trainer, theta, [], step, expected.coefficients)[0]
    )


@pytest.mark.parametrize("frozen", [(), ("tt.core1", "hidden.bias")], ids=["trained", "frozen"])
@pytest.mark.parametrize(
    ("estimator", "update"),
    [
        *((estimator, fitting(estimator, CHAINS[0])) for estimator in ESTIMATORS),
        *((few, update) for few in FEW for update in UPDATES if fits(few, update)),
    ],
    ids=show,
)
def test_updates(update, estimator, frozen):
    """Random records over some steps; what was learned so far is the update's state."""
    graph, theta, constants = mixed(frozen)
    trainer = Trainer(graph, constants, "cross_entropy", estimator, update, batch_size=N, seed=2**32 - 1)
    records = floats(3, 4, *estimator.record_shape(graph))
    expected, state = theta, trainer.initial_state(theta)
    engines = [(make_engine(name), theta, trainer.initial_state(theta)) for name in ENGINES[1:]]
    for step, record in enumerate(records):
        before = expected.copy()
        expected, state = ReferenceEngine(exact=True).apply(trainer, expected, state, step, record)
        assert not np.array_equal(expected, before)
        engines = [(engine, *engine.apply(trainer, at, held, step, record)) for engine, at, held in engines]
        for _, at, held in engines:
            assert_same_bits(at, expected)
            for part, wanted in zip(held, state, strict=True):
                assert_same_bits(part, wanted)


@pytest.mark.parametrize("update", UPDATES, ids=show)
@pytest.mark.parametrize("n_queries", [1, 3])
def test_the_device_loop_keeps_the_updates_state(update, n_queries):
    graph, theta, constants = mixed()
    x, labels = samples()
    estimator = probing(update, bf.RGE(n_queries=n_queries, grouping="layer"))
    trainer = Trainer(graph, constants, "cross_entropy", estimator, update, batch_size=5, seed=1)
    loop, at = device_loop(trainer, x, labels), theta
    engine, expected, state = ReferenceEngine(exact=True), theta, trainer.initial_state(theta)
    for step in range(5):
        at = loop.step(at, step)
        estimate = trainer.estimate(engine, expected, Batch(x, labels).take(trainer.indices(step, N)), step)
        expected, state = engine.apply(trainer, expected, state, step, estimate.coefficients)
        assert_same_bits(at, expected)
    assert_same_bits(loop.state, np.concatenate([np.zeros(0, np.float32), *state]))


def test_a_record_that_is_not_finite_is_refused(compiled):
    graph, theta, constants = mixed()
    trainer = Trainer(graph, constants, "cross_entropy", ESTIMATORS[0], SGD(), batch_size=N, seed=0)
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(NumericError, match="step 3: a loss is not finite"):
            compiled.apply(trainer, theta, [], 3, np.full((1, 1), bad, np.float32))


def test_the_device_loop_leaves_theta_when_a_loss_is_not_finite():
    graph, theta, constants = mixed()
    x, labels = samples()
    theta[graph.slices[-1].range] = 3e38  # the scores overflow
    trainer = Trainer(graph, constants, "cross_entropy", ESTIMATORS[0], SGD(), batch_size=N, seed=0)
    loop = device_loop(trainer, x, labels)
    with pytest.raises(NumericError):
        loop.step(theta, 0)
    assert_same_bits(loop.theta, theta)
    assert loop.context.step == 0


def test_constants_changed_in_place_are_seen():
    graph = assemble([3], [("linear", "a", ["input"], {"outputs": 2, "bias": True})], frozen=["a.bias"])
    model = bf.Model(graph, *initial_parameters(graph, 0))
    engine, x = bf.CompiledEngine(), np.ones((1, 3), np.float32)
    before = model.predict(x, engine)
    model.frozen += 1
    np.testing.assert_allclose(model.predict(x, engine), before + 1, rtol=1e-6)


def test_an_engine_forgets_old_models():
    engine, x = bf.CompiledEngine(), np.ones((1, 3), np.float32)
    models = [bf.Sequential(3, [bf.Linear(2)], seed=seed) for seed in range(20)]
    expected = [model.predict(x, "exact") for model in models]
    for _ in range(2):
        for model, wanted in zip(models, expected, strict=True):
            np.testing.assert_array_equal(model.predict(x, engine), wanted)
    assert len(engine._built.models._entries) <= 8


def test_streaming_needs_kernels_of_one_lane_and_takes_the_sides_in_turn_where_tables_have_one():
    graph, theta, constants = mixed()
    x, labels = samples()
    trainer = Trainer(graph, constants, "cross_entropy", bf.RGE(), SGD(), batch_size=2)
    data, settings = (x, labels, None), trainer.native_settings()
    for isa in bf.native.isa_names()[1:]:
        with pytest.raises(ValueError, match='model: expected the "scalar" instruction set'):
            NativeTrainer(NativeModel(model_tables(graph, 2), isa), data=data, **settings)
    one_sided = NativeTrainer(NativeModel(model_tables(graph, 1), "scalar"), data=data, **settings)
    paired = NativeTrainer(NativeModel(model_tables(graph, 2), "scalar"), data=data, **settings)
    assert_same_bits(one_sided.step(theta, 0), paired.step(theta, 0))


def test_models_beyond_32_bits_are_refused():
    wide = {"inputs": [1] * 4, "outputs": [256, 256, 256, 16], "ranks": [1] * 5, "start": "left", "bias": False}
    graph = assemble((1,), [("tt_linear", "w", ["input"], wide)])
    with pytest.raises(ValueError, match="model: the C runtime counts in 32 bits, got .* words of arena"):
        model_tables(graph)
