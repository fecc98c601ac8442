"""Few elements that are probed are found once a step and kept, many are not: the same bits, and what each costs."""

import numpy as np
import pytest
from helpers import assert_same_bits, device_loop, floats, make_engine, show

import bpfree as bf
from bpfree import emulate
from bpfree.datasets import load_digits
from bpfree.exporters import firmware
from bpfree.graph.c_tables import model_tables
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer
from bpfree.updates import UPDATES

MODEL = bf.Sequential(20, [bf.Linear(24), bf.Tanh(), bf.Linear(5)], seed=3)
D = MODEL.graph.n_theta
X, Y = floats(0, 12, 20), np.arange(12).astype(np.uint32) % 5
KEPT = [bf.CGE(1 / D), bf.CGE(64 / D, order="cyclic"), bf.CGE(60 / D, ratios="uniform", mask_refresh=2),
        bf.CGE(78 / D), bf.CoordinateDescent(30 / D)]  # fmt: skip
NOT_KEPT = [bf.CGE(79 / D), bf.CGE(0.4, order="cyclic"), bf.CGE(0.5, ratios="erk"), bf.CGE(),
            bf.CoordinateDescent(0.5)]  # fmt: skip
ALONE = {
    "sgd": bf.SGD(0.1),
    "clipped": bf.chain(bf.clip(0.01), bf.Momentum(0.1)),
    "stale": bf.chain(bf.Stale(0.9), bf.SGD(0.1)),
}


def trainer_of(estimator, update=None):
    update = bf.SGD(1.0) if isinstance(estimator, bf.CoordinateDescent) else update or bf.SGD(0.1)
    return bf.Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", estimator, update, batch_size=3, seed=9)


@pytest.mark.parametrize("update", ALONE)
@pytest.mark.parametrize("estimator", KEPT + NOT_KEPT, ids=show)
def test_the_same_bits(estimator, update):
    trainer = trainer_of(estimator, ALONE[update])
    loop, exact = device_loop(trainer, X, Y), make_engine("exact")
    at, (expected, state) = MODEL.theta, (MODEL.theta, trainer.initial_state(MODEL.theta))
    for step in range(5):
        batch = bf.engines.batch.Batch(X, labels=Y).take(trainer.indices(step, len(X)))
        record = trainer.estimate(exact, at, batch, step).coefficients
        at = loop.step(at, step)
        assert_same_bits(loop.coefficients.reshape(record.shape), record)
        expected, state = exact.apply(trainer, expected, state, step, record)
        assert_same_bits(at, expected)


@pytest.mark.parametrize("estimator", KEPT + NOT_KEPT, ids=show)
def test_room_is_counted(estimator):
    """Two floats an element up to 64 of them or an eighth of all; work in C and in Python are one number."""
    assert D == 629
    n, losses = estimator.record_shape(MODEL.graph)[1], 6 if isinstance(estimator, bf.CoordinateDescent) else 0
    trainer = trainer_of(estimator)
    assert trainer.n_work == (2 * n if estimator in KEPT else 0) + losses
    assert device_loop(trainer, X, Y).work.size == trainer.n_work


@pytest.mark.parametrize("estimator", [KEPT[1], NOT_KEPT[0]], ids=show)
def test_the_window_of_c_finds_earlier_elements_again(estimator):
    """v = 0.5 v + g from the oldest of three steps on: Python keeps CGE to itself, whose records are long."""
    trainer, window = trainer_of(estimator), bf.WindowMomentum(1.0, beta=0.5, window=3)
    native = trainer.native_settings() | {"links": [(UPDATES.of(window).number, window.settings)]}
    loop = NativeTrainer(NativeModel(model_tables(MODEL.graph), "scalar"), data=(X, Y, None), **native)
    at, gradients = MODEL.theta, []
    for step in range(6):
        before, at = at, loop.step(at, step)
        gradients.append(trainer.gradient(step, loop.coefficients.reshape(trainer.record_shape)))
        v = np.zeros(D, np.float32)
        for k, g in enumerate(gradients[-3:]):
            v = g if k == 0 else np.float32(0.5) * v + g
        assert_same_bits(at, before - v)


def test_a_step_is_its_passes(workshop):
    """One of 2,410 elements: two passes of about 20,000 instructions, and not 2,410 permutations of 1,600."""
    for name in ("ziglang", "unicorn", "elftools"):
        pytest.importorskip(name, reason=f'{name} missing: pip install "bpfree[emulate]"')
    train, model = load_digits("train"), bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=0)
    samples = firmware.Samples(train.pixels[:32], labels=train.labels[:32], scale=1 / 16)
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.CGE(1 / 2410), bf.SGD(0.1), 1)
    firmware.export(model, workshop, trainer=trainer, samples=samples, steps=1)
    marks = (firmware.MARK_STEP, firmware.MARK_STEP_DONE)
    result = emulate.run_firmware(emulate.compile_firmware(workshop), count_between=marks)
    assert result.exit_code == 0 and 40_000 < result.instructions < 100_000
