"""Forward passes by hardware: bpfree_probe and bpfree_tell in C, beside ask and tell of the NumPy reference."""

import numpy as np
import pytest
from helpers import assert_same_bits, device_loop, floats

import bpfree as bf
from bpfree import native
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.engines.probes import perturb
from bpfree.trainer import Trainer

pytestmark = pytest.mark.skipif(not native.available(), reason="the compiled core is not built")

N, FEATURES, ARG, NUMERIC = 4, 6, -1, -9
MODEL = bf.Sequential(FEATURES, [bf.Linear(13), bf.Tanh(), bf.Linear(3)], seed=3).freeze("linear1.bias")
X, LABELS = floats(6, N, FEATURES), np.arange(N).astype(np.uint32) % 3
EXACT = ReferenceEngine(exact=True)
TOLD = {
    "signs": bf.RGE(3),
    "one-sided": bf.RGE(3, two_sided=False),
    "layers": bf.RGE(2, grouping="layer"),
    "tensors, one-sided": bf.RGE(2, grouping="tensor", two_sided=False),
    "hadamard": bf.RGE(5, direction="hadamard", grouping="layer"),
    "gaussian": bf.RGE(2, direction="gaussian", grouping="tensor"),
    "sphere": bf.RGE(2, direction="sphere", two_sided=False, grouping="layer"),
    "cge": bf.CGE(),
    "few": bf.CGE(0.05, two_sided=False),
    "masks": bf.CGE(0.3, ratios="erk", mask_refresh=2, rescale=True),
    "cycle": bf.CGE(0.145, order="cyclic"),
    "hybrid": bf.Hybrid(21),
}
REFUSED = {"descent": (bf.CoordinateDescent(0.1), bf.SGD(1.0)), "units": (bf.UnitWise(), bf.SGD(0.1))}
UPDATES = {"sgd": bf.SGD(0.3), "adam": bf.Adam(0.02)}


def trainer_of(estimator, update, batch_size=1):
    return Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", estimator, update, batch_size, seed=9)


def written(loop, query, side, pieces):
    """The parameters of a side of a query, as bpfree_probe writes them into pieces of so many floats."""
    lib, ffi, d = native.core().lib, native.core().ffi, len(loop.theta)
    out = np.full(d + 1, 7, np.float32)
    for first in range(0, d, pieces):
        count = min(pieces, d - first)
        place = ffi.cast("float *", ffi.from_buffer(out)) + first
        assert lib.bpfree_probe(loop.c, loop.context, query, side, first, count, place) == 0
    assert out[d] == 7
    return out[:d]


def tell(loop, losses):
    losses = np.ascontiguousarray(losses, np.float32)
    return native.core().lib.bpfree_tell(loop.c, loop.context, native.core().ffi.from_buffer("float *", losses))


@pytest.mark.parametrize("name", TOLD)
def test_pieces_are_the_points_that_python_asks_for(name):
    estimator = TOLD[name]
    loop = device_loop(trainer_of(estimator, bf.SGD(0.1)), X, LABELS)
    loop.theta[:], d = MODEL.theta, MODEL.graph.n_theta
    for step in (0, 3):
        loop.context.step = step
        probes = estimator.ask(MODEL.graph, 9, step)
        points = [perturb(MODEL.graph, MODEL.theta, probes[k]) for k in range(len(probes))]
        for query in range((len(points) - (not estimator.two_sided)) // (2 if estimator.two_sided else 1)):
            plus, minus = (2 * query, 2 * query + 1) if estimator.two_sided else (1 + query, 0)
            for pieces in {d, 1 + 7 * query, 64}:
                assert_same_bits(written(loop, query, 0, pieces), points[plus])
                assert_same_bits(written(loop, query, 1, pieces), points[minus])
    assert_same_bits(loop.theta, MODEL.theta)


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("name", TOLD)
def test_told_losses_make_the_step_of_the_reference(name, update):
    """Losses as hardware gives them: any numbers, large and small."""
    trainer = trainer_of(TOLD[name], UPDATES[update])
    loop = device_loop(trainer, X, LABELS)
    theta, loop.theta[:] = MODEL.theta, MODEL.theta
    state = trainer.initial_state(theta)
    for step in range(4):
        probes = trainer.estimator.ask(trainer.graph, trainer.seed, step)
        losses = floats(50 + step, len(probes), scale=10.0 ** (2 * step - 3))
        record = trainer.estimator.tell(trainer.graph, trainer.seed, step, losses[:, None]).coefficients
        padded = np.append(losses, np.full(2, np.nan, np.float32))  # of a cyclic block that has one element less
        assert tell(loop, padded) == 0 and loop.context.step == step + 1
        assert_same_bits(loop.coefficients.reshape(record.shape), record)
        theta, state = EXACT.apply(trainer, theta, state, step, record)
        assert_same_bits(loop.theta, theta)


@pytest.mark.parametrize("name", TOLD)
def test_told_its_own_losses_the_runtime_makes_its_own_step(name):
    trainer = trainer_of(TOLD[name], bf.SGD(0.3))
    computed, told = (device_loop(trainer, X, LABELS) for _ in range(2))
    theta = told.theta[:] = MODEL.theta
    for step in range(3):
        probes = trainer.estimator.ask(trainer.graph, trainer.seed, step)
        batch = Batch(X, labels=LABELS).take(trainer.indices(step, N))
        losses, _ = EXACT.evaluate(trainer.graph, theta, trainer.frozen, batch, trainer.loss, probes)
        theta = computed.step(theta, step)
        assert tell(told, np.append(losses, np.zeros(2, np.float32))) == 0
        assert_same_bits(told.theta, theta)


@pytest.mark.parametrize("name", REFUSED)
def test_others_are_refused(name):
    loop, ffi, lib = device_loop(trainer_of(*REFUSED[name]), X, LABELS), native.core().ffi, native.core().lib
    out = np.zeros(MODEL.graph.n_theta, np.float32)
    assert lib.bpfree_probe(loop.c, loop.context, 0, 0, 0, 1, ffi.from_buffer("float *", out)) == ARG
    assert tell(loop, np.zeros(2 * len(loop.coefficients) + 1)) == ARG
    assert loop.context.step == 0


def test_wrong_arguments_and_losses():
    loop, ffi, lib = device_loop(trainer_of(bf.RGE(2), bf.SGD(0.1)), X, LABELS), native.core().ffi, native.core().lib
    loop.theta[:], d = MODEL.theta, MODEL.graph.n_theta
    out = np.full(d, 7, np.float32)
    place = ffi.from_buffer("float *", out)
    past = ((2, 0, 0, 1), (0, 2, 0, 1), (0, 0, d + 1, 0), (0, 0, 0, d + 1), (0, 0, d, 1), (0, 0, 2**32 - 1, 2))
    for arguments in past:
        assert lib.bpfree_probe(loop.c, loop.context, *arguments, place) == ARG
    assert lib.bpfree_probe(loop.c, loop.context, 0, 0, 0, 1, ffi.NULL) == ARG
    assert lib.bpfree_tell(loop.c, loop.context, ffi.NULL) == ARG
    assert (out == 7).all() and lib.bpfree_probe(loop.c, loop.context, 1, 1, d, 0, place) == 0
    for bad in (np.inf, -np.inf, np.nan):
        for k in range(4):
            losses = np.ones(4)
            losses[k] = bad
            assert tell(loop, losses) == NUMERIC and loop.context.step == 0
    assert_same_bits(loop.theta, MODEL.theta)
    assert tell(loop, np.ones(4)) == 0 and loop.context.step == 1
