"""UnitWise through tensor trains in C: the exact engine's bits by partial sweeps, in room that the plan knows."""

import numpy as np
import pytest
from device_records import gradient_of
from helpers import ESTIMATOR_SETTINGS, assert_same_bits, floats, show
from layer_networks import CLASSES, GRAPHS, LOSSES, N, linear, tensor_train

import bpfree as bf
from bpfree import native
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.graph.c_tables import device_tables
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer

EXACT = ReferenceEngine(exact=True)
X = floats(7, N, 11)


def relu(name, source):
    return ("relu", name, [source], {})


NETWORKS = {
    "small": GRAPHS["tensor trains"],
    "one core": [tensor_train("a", "input", [11], [6], [1, 1]), relu("h", "a"),
                 tensor_train("head", "h", [6], [CLASSES], [1, 1], "right")],
    "four cores": [tensor_train("a", "input", [2, 3, 1, 2], [2, 1, 3, 2], [1, 2, 4, 2, 1]), relu("h", "a"),
                   tensor_train("head", "h", [3, 2, 1, 2], [1, 2, 1, 2], [1, 3, 2, 2, 1], "right")],
    "from the right": [tensor_train("a", "input", [2, 2, 3], [2, 2, 3], [1, 2, 3, 1], "right", bias=False),
                       relu("h", "a"), linear("head", "h", CLASSES)],
    "five cores behind another": [
        linear("d", "input", 7), relu("h", "d"),
        tensor_train("a", "h", [2, 2, 1, 2, 1], [1, 2, 2, 1, 2], [1, 2, 3, 3, 2, 1]), ("tanh", "t", ["a"], {}),
        linear("head", "t", CLASSES)],
    "eight cores": [
        tensor_train("a", "input", [2, 1, 2, 1, 1, 1, 2, 2], [1, 2, 1, 1, 2, 1, 1, 2], [1, 2, 6, 2, 2, 3, 2, 2, 1]),
        relu("h", "a"),
        tensor_train("head", "h", [2, 1, 1, 1, 1, 2, 2, 1], [1, 1, 2, 1, 1, 1, 1, 2], [1, 2, 4, 4, 3, 2, 2, 1, 1])],
}  # fmt: skip

networks = pytest.mark.parametrize("name", NETWORKS)


def trainer_of(name, loss="cross_entropy", estimator=bf.UnitWise(), frozen=(), update=bf.SGD(0.1)):  # noqa: B008
    graph = assemble([11], NETWORKS[name], frozen=frozen)
    theta, constants = initial_parameters(graph, seed=5)
    theta, constants = theta + floats(9, theta.size, scale=0.3), constants + floats(4, constants.size, scale=0.3)
    return bf.Trainer(graph, constants, loss, estimator, update, 1, seed=3), theta


def loop_of(trainer, loss="cross_entropy"):
    model = NativeModel(device_tables(trainer), "scalar")
    model.frozen[:] = trainer.frozen
    data = (X, LOSSES[loss].get("labels"), LOSSES[loss].get("targets"))
    return NativeTrainer(model, data=data, **trainer.device_settings())


def assert_same_steps(trainer, theta, loss="cross_entropy", steps=3):
    loop, expected, at, state = loop_of(trainer, loss), theta, theta, trainer.initial_state(theta)
    for step in range(steps):
        batch = Batch(X, **LOSSES[loss]).take(trainer.indices(step, N))
        estimate = trainer.estimate(EXACT, expected, batch, step)
        expected, state = EXACT.apply(trainer, expected, state, step, estimate.coefficients)
        at = loop.step(at, step)
        assert_same_bits(gradient_of(trainer, loop.coefficients), estimate.coefficients)
        assert_same_bits(at, expected)


@networks
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("estimator", ESTIMATOR_SETTINGS["unit_wise"], ids=show)
def test_the_same_bits_as_the_exact_engine(name, loss, estimator):
    trainer, theta = trainer_of(name, loss, estimator)
    assert_same_steps(trainer, theta, loss)


@networks
@pytest.mark.parametrize("frozen", ["a.core0", "a.", "head."])
def test_what_is_frozen_has_no_gradient(name, frozen):
    names = [part.name for part in trainer_of(name)[0].graph.slices if part.name.startswith(frozen)]
    assert names
    trainer, theta = trainer_of(name, frozen=tuple(names))
    assert trainer.graph.n_frozen > 0
    assert_same_steps(trainer, theta, steps=1)


@networks
def test_other_updates(name):
    trainer, theta = trainer_of(name, update=bf.chain(bf.clip(0.05), bf.WeightDecay(0.01), bf.Adam(0.01)))
    assert_same_steps(trainer, theta)


@networks
@pytest.mark.parametrize("head", ["exact", "probe"])
def test_its_work_is_what_c_asks_for_and_nothing_beyond_is_written(name, head):
    trainer, theta = trainer_of(name, estimator=bf.UnitWise(head=head))
    loop = loop_of(trainer)
    assert loop.work.size == trainer.n_work > 0
    room = np.full(loop.work.size + 64, np.float32(7.5))
    skip = (-room.ctypes.data % 64) // 4
    loop.context.work = native.core().ffi.from_buffer("float *", room[skip:])
    loop.step(theta, 0)
    assert (room[skip + loop.work.size :] == 7.5).all() and (room[:skip] == 7.5).all()


def test_no_room_for_a_dense_w():
    """784-1024-10 in 3,962 parameters: the room of the sweeps is a fraction of the 10,240 floats of the second W."""
    first = bf.TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6)
    model = bf.Sequential(784, [first, bf.ReLU(), bf.TTLinear((8, 4, 4, 8), (1, 5, 2, 1), rank=6)])
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.UnitWise(), bf.SGD(), batch_size=1)
    assert trainer.n_work < 1024 + 3000


def test_several_samples_a_step_are_refused_for_the_order_of_their_sums():
    trainer, _ = trainer_of("small")
    loop = loop_of(trainer)
    assert native.core().lib.bpfree_train_init(loop.c, loop.context) == 0
    loop.c.batch = 2
    assert native.core().lib.bpfree_train_init(loop.c, loop.context) == -1
