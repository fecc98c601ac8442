"""UnitWise streamed in C: the exact engine's bits on every graph, what it keeps in memory, what it refuses."""

import numpy as np
import pytest
from helpers import ESTIMATOR_SETTINGS, assert_same_bits, device_loop, floats, show
from layer_networks import GRAPHS, LOSSES, N, network

import bpfree as bf
from bpfree import native
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.estimators.routes import kept, routes_of
from bpfree.graph.c_tables import device_tables, model_tables
from bpfree.graph.layers import assemble
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


def small_loop(trainer, loss):
    """With the very tables that a firmware has."""
    model = NativeModel(device_tables(trainer), "scalar")
    model.frozen[:] = trainer.frozen
    data = (X, LOSSES[loss].get("labels"), LOSSES[loss].get("targets"))
    return NativeTrainer(model, data=data, **trainer.native_settings())


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


def test_tensor_trains_are_refused_with_their_name(tmp_path):
    trainer, theta = trainer_of("tensor trains")
    with pytest.raises(ValueError, match=r"trainer: .* got unit_wise and node 'a' \(tt_linear\): .* dense layers"):
        device_tables(trainer)
    model = bf.Model(trainer.graph, theta, trainer.frozen)
    with pytest.raises(ValueError, match="dense layers"):
        bf.exporters.firmware.export(model, tmp_path, trainer=trainer)
    with pytest.raises(ValueError, match="step 0: an argument is out of range"):
        device_loop(trainer, X, **LOSSES["cross_entropy"]).step(theta, 0)


def test_a_frozen_tensor_train_is_refused_only_behind_a_trained_layer():
    train = {"inputs": [3, 4], "outputs": [2, 2], "ranks": [1, 2, 1], "start": "left", "bias": True}
    names = ("tt.core0", "tt.core1", "tt.bias")
    dense = ("linear", "dense", ["input"], {"outputs": 12, "bias": True})
    behind = assemble([11], [dense, ("tt_linear", "tt", ["dense"], train)], frozen=names)
    before = assemble([12], [("tt_linear", "tt", ["input"], train), (*dense[:2], ["tt"], dense[3])], frozen=names)
    device = bf.UnitWise.row.device
    assert "node 'tt'" in device.refusal(bf.UnitWise(), behind)
    assert device.refusal(bf.UnitWise(), before) is None


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
