"""UnitWise streamed in C: the exact engine's bits on every graph, what it keeps in memory, what it refuses."""

import numpy as np
import pytest
from device_records import gradient_of
from helpers import ESTIMATOR_SETTINGS, assert_same_bits, device_loop, floats, show
from layer_networks import GRAPHS, LOSSES, N, network

import bpfree as bf
from bpfree import native
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.estimators.routes import kept, routes_of, trained
from bpfree.graph.c_tables import device_tables, model_tables
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer
from bpfree.trainer import Trainer

EXACT = ReferenceEngine(exact=True)
X = floats(7, N, 11)
DENSE = [name for name in GRAPHS if name != "tensor trains"]
FROZEN = {name: GRAPHS[name][0][1] for name in DENSE}  # the first layer

estimators = pytest.mark.parametrize("estimator", ESTIMATOR_SETTINGS["unit_wise"], ids=show)
graphs = pytest.mark.parametrize("name", DENSE)
losses = pytest.mark.parametrize("loss", LOSSES)


def trainer_of(name, loss="cross_entropy", estimator=bf.UnitWise(), frozen=(), update=bf.SGD(0.1), batch_size=4):  # noqa: B008
    graph, theta, constants = network(name, frozen)
    return Trainer(graph, constants, loss, estimator, update, batch_size, seed=3), theta


def small_loop(trainer, loss, settings=None):
    """With the very tables that a firmware has; its records are the computer's, if it has no other settings."""
    model = NativeModel(device_tables(trainer), "scalar")
    model.frozen[:] = trainer.frozen
    data = (X, LOSSES[loss].get("labels"), LOSSES[loss].get("targets"))
    return NativeTrainer(model, data=data, **(settings or trainer.native_settings()))


@graphs
@losses
@estimators
def test_the_same_bits_as_the_exact_engine(name, loss, estimator):
    trainer, theta = trainer_of(name, loss, estimator)
    loop = small_loop(trainer, loss)
    expected, at, state = theta, theta, []
    for step in range(3):
        batch = Batch(X, **LOSSES[loss]).take(trainer.indices(step, N))
        estimate = trainer.estimate(EXACT, expected, batch, step)
        expected, state = EXACT.apply(trainer, expected, state, step, estimate.coefficients)
        at = loop.step(at, step)
        assert_same_bits(loop.coefficients, estimate.coefficients[0])
        assert_same_bits(at, expected)


UPDATES = [
    bf.SGD(0.1),
    bf.SGD(bf.linear_decay(0.1, steps=3, end=0.1)),
    bf.chain(bf.clip(0.05), bf.SGD(0.1)),
    bf.chain(bf.clip(0.05), bf.WeightDecay(0.01), bf.Adam(0.01)),
]


@graphs
@losses
@pytest.mark.parametrize("batch_size", [1, 2, 9])
@pytest.mark.parametrize("update", UPDATES, ids=["sgd", "schedule", "clip", "chain"])
def test_records_in_factors_make_the_same_steps(name, loss, batch_size, update):
    trainer, theta = trainer_of(name, loss, bf.UnitWise(two_sided=False), update=update, batch_size=batch_size)
    factors = batch_size * sum(node.site.features + node.site.outputs for node in trained(trainer.graph))
    assert trainer.device_record_shape == (1, min(factors, trainer.graph.n_theta))
    settings = {**trainer.native_settings(), "n_queries": factors}  # whether or not it is the smaller record
    loop, at, expected, state = small_loop(trainer, loss, settings), theta, theta, trainer.initial_state(theta)
    for step in range(3):
        batch = Batch(X, **LOSSES[loss]).take(trainer.indices(step, N))
        record = trainer.estimate(EXACT, expected, batch, step).coefficients
        expected, state = EXACT.apply(trainer, expected, state, step, record)
        at = loop.step(at, step)
        if factors != trainer.graph.n_theta:
            assert_same_bits(gradient_of(trainer, loop.coefficients)[0] + np.float32(0), record[0])
        assert_same_bits(at, expected)


def test_a_zero_of_either_sign_stays_where_nothing_moves():
    """Of theta, where an input is 0, where a unit is dead, and where a product underflows."""
    graph = bf.Sequential(3, [bf.Linear(2), bf.ReLU(), bf.Linear(2)]).graph
    trainer = Trainer(graph, np.zeros(0, np.float32), "mse", bf.UnitWise(), bf.SGD(0.5), 1)
    theta = np.array([-0.0, -0.0, 0.5, -0.0, 0.0, -3.0, 0.0, -0.0, 1e-30, -0.0, -0.0, 0.0, -0.0, 0.0], np.float32)
    x, targets = np.array([[0.0, -1e-38, 1.0]], np.float32), np.array([[1e-12, -0.0]], np.float32)
    model = NativeModel(device_tables(trainer), "scalar")
    loop = NativeTrainer(model, data=(x, None, targets), **{**trainer.native_settings(), "n_queries": 9})
    record = trainer.estimate(EXACT, theta, Batch(x, targets=targets), 0).coefficients
    expected, _ = EXACT.apply(trainer, theta, [], 0, record)
    assert_same_bits(loop.step(theta, 0), expected)


def test_a_step_by_factors_that_would_overflow_is_refused():
    for update in (bf.SGD(1.0), bf.Momentum(1.0)):
        trainer, theta = trainer_of("one hidden layer", "mse", update=update, batch_size=1)
        factors = sum(node.site.features + node.site.outputs for node in trained(trainer.graph))
        loop = small_loop(trainer, "mse", {**trainer.native_settings(), "n_queries": factors})
        theta *= np.float32(1e15)  # deltas of 1e30 times inputs of the head of 1e15
        with pytest.raises(bf.errors.NumericError):
            loop.step(theta, 0)
        assert_same_bits(loop.theta, theta)


@graphs
@pytest.mark.parametrize("part", ["weight", "bias"])
def test_frozen_parameters_stay_and_the_others_have_the_same_bits(name, part):
    frozen = (f"{FROZEN[name]}.{part}",)
    trainer, theta = trainer_of(name, frozen=frozen)
    estimate = trainer.estimate(EXACT, theta, Batch(X, **LOSSES["cross_entropy"]).take(trainer.indices(0, N)), 0)
    loop = small_loop(trainer, "cross_entropy")
    loop.step(theta, 0)
    assert_same_bits(loop.coefficients, estimate.coefficients[0])


@graphs
def test_the_plan_keeps_what_is_read(name):
    """A plan of the same graph where every tensor outlives the pass gives the same bits, and needs no less."""
    trainer, theta = trainer_of(name)
    everything = frozenset(range(1, len(trainer.graph.tensors)))
    roomy = NativeModel(model_tables(trainer.graph, keep=everything), "scalar")
    roomy.frozen[:] = trainer.frozen
    loop = NativeTrainer(roomy, data=(X, LOSSES["cross_entropy"]["labels"], None), **trainer.native_settings())
    small = small_loop(trainer, "cross_entropy")
    assert_same_bits(small.step(theta, 0), loop.step(theta, 0))
    assert small.model.tables.arena.per_sample <= roomy.tables.arena.per_sample


def test_relu_and_tanh_stay_in_place_and_sine_does_not():
    """ReLU's slope is read from its output, that of sin from its input."""
    for layer, floats_kept in ((bf.ReLU(), 8), (bf.Tanh(), 8), (bf.Sin(), 16)):
        graph = bf.Sequential(5, [bf.Linear(8), layer, bf.Linear(3)]).graph
        assert model_tables(graph, keep=kept(graph)).arena.per_sample == floats_kept + 3


def test_routes_by_hand():
    graph, _, _ = network("deep")
    head, third, second, first = routes_of(graph)
    assert (head.node, head.elementwise, head.column, head.start(graph)) == (7, (), None, 8)
    assert (third.node, third.elementwise, third.tensor, third.column) == (5, (6,), 7, 7)
    assert (second.node, second.elementwise, second.tensor, second.column) == (2, (4, 3), 5, 5)
    assert (first.node, first.elementwise, first.tensor, first.column) == (0, (1,), 2, 2)
    skips, _, _ = network("skips")
    assert [route.column for route in routes_of(skips)] == [None, None, None]


@graphs
@pytest.mark.parametrize("head", ["exact", "probe"])
def test_work_is_what_c_asks_for(name, head):
    trainer, _ = trainer_of(name, estimator=bf.UnitWise(head=head))
    loop = small_loop(trainer, "cross_entropy")
    assert loop.work.size == trainer.n_work > 0


def test_nothing_beyond_the_work_is_written():
    for name in DENSE:
        for head in ("exact", "probe"):
            trainer, theta = trainer_of(name, estimator=bf.UnitWise(head=head))
            loop = small_loop(trainer, "cross_entropy")
            room = np.full(loop.work.size + 64, np.float32(7.5))
            ffi = native.core().ffi
            skip = (-room.ctypes.data % 64) // 4
            loop.context.work = ffi.from_buffer("float *", room[skip:])
            loop.step(theta, 0)
            assert (room[skip + loop.work.size :] == 7.5).all() and (room[:skip] == 7.5).all()
            assert (room[skip : skip + loop.work.size] != 7.5).any()


def test_several_samples_through_tensor_trains_are_refused_with_their_name(tmp_path):
    trainer, theta = trainer_of("tensor trains")
    with pytest.raises(ValueError, match=r"trainer: .* got unit_wise and node 'a' \(tt_linear\) with a batch of 4: "):
        device_tables(trainer)
    model = bf.Model(trainer.graph, theta, trainer.frozen)
    with pytest.raises(ValueError, match="needs batch_size=1"):
        bf.exporters.firmware.export(model, tmp_path, trainer=trainer)
    with pytest.raises(ValueError, match="train: an argument is out of range"):
        device_loop(trainer, X, **LOSSES["cross_entropy"])


def test_estimators_that_c_lacks_are_refused_with_their_reason():
    trainer, _ = trainer_of("deep", estimator=bf.NodePerturbation())
    with pytest.raises(ValueError, match="trainer: .* got node_perturbation: "):
        device_tables(trainer)


def test_tables_that_reuse_what_it_reads_are_refused():
    trainer, _ = trainer_of("deep")
    model = NativeModel(model_tables(trainer.graph), "scalar")
    with pytest.raises(ValueError, match="model: expected tables that keep"):
        NativeTrainer(model, data=(X, LOSSES["cross_entropy"]["labels"], None), **trainer.native_settings())


def test_theta_stays_when_a_loss_is_not_finite():
    trainer, theta = trainer_of("one hidden layer")
    theta[trainer.graph.slices[-1].range] = 3e38
    loop = small_loop(trainer, "cross_entropy")
    with pytest.raises(bf.errors.NumericError):
        loop.step(theta, 0)
    assert_same_bits(loop.theta, theta)
    assert loop.context.step == 0


def test_clip_and_links_with_state():
    update = bf.chain(bf.clip(0.05), bf.WeightDecay(0.01), bf.Adam(0.01))
    trainer, theta = trainer_of("deep", update=update)
    loop, at, expected, state = small_loop(trainer, "cross_entropy"), theta, theta, update.init(theta)
    for step in range(4):
        batch = Batch(X, **LOSSES["cross_entropy"]).take(trainer.indices(step, N))
        record = trainer.estimate(EXACT, expected, batch, step).coefficients
        assert np.abs(record).max() > 0.05
        expected, state = EXACT.apply(trainer, expected, state, step, record)
        at = loop.step(at, step)
        assert_same_bits(at, expected)
