# SPDX-License-Identifier: MIT
"""CGE one block of coordinates after the other: every one of them once in a cycle, in Python, C and the device loop."""

from math import ceil

import numpy as np
import pytest
from helpers import ENGINES, FRACTIONS, assert_loops_agree, assert_same_bits, floats, make_engine

import bpfree as bf
from bpfree import native, rng
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.exporters import trainer_source
from bpfree.graph import Graph, layout
from bpfree.trainer import Trainer

N = 8
MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (3, 2), rank=2), bf.Tanh(), bf.Linear(2)], seed=3)
GRAPH, D = MODEL.graph, MODEL.graph.n_theta
THETA = MODEL.theta + floats(7, D, scale=0.2)
LABELS = np.arange(N).astype(np.uint32) % 2
X = floats(6, N, 6)
SHARES = [share for share in FRACTIONS if share < 1] + [1e-6, 0.499, 0.98, 0.999]
shares = pytest.mark.parametrize("fraction", SHARES)


def trainer_of(estimator, update=None, seed=0):
    return Trainer(GRAPH, MODEL.frozen, "cross_entropy", estimator, update or bf.SGD(1.0), batch_size=N, seed=seed)


def vector(d):
    """A graph that is d parameters and nothing else."""
    return Graph((), (), layout([("theta", (d,), 0, False)]))


def gradient(estimator, step, engine, seed=0):
    trainer = trainer_of(estimator, seed=seed)
    estimate = trainer.estimate(engine, THETA.astype(engine.dtype), Batch(X, labels=LABELS), step)
    return trainer.gradient(step, estimate.coefficients)


@pytest.mark.parametrize("d", [1, 2, 3, 7, 10, 44, 64, 101])
@shares
def test_each_coordinate_once_a_cycle(d, fraction):
    """Whether or not the fraction divides d; blocks differ by one at most, and cycles in their order."""
    estimator, graph = bf.CGE(fraction, order="cyclic"), vector(d)
    steps, seen = min(d, ceil(1 / fraction)), []
    for cycle in range(3):
        blocks = [estimator.coordinates(graph, 5, cycle * steps + k).tolist() for k in range(steps)]
        sizes = [len(block) for block in blocks]
        assert max(sizes) - min(sizes) <= 1 and max(sizes) == estimator.record_shape(graph)[1]
        seen.append([k for block in blocks for k in block])
        assert sorted(seen[-1]) == list(range(d))
    if d > 40:
        assert seen[0] != seen[1] != seen[2]


def test_a_share_that_is_rounded_is_that_share():
    for steps in range(2, 500):
        for share in (1 / steps, np.float32(1 / steps), np.float64(1) / steps):
            assert bf.CGE(share, order="cyclic").cycle(vector(1000)) == steps


@shares
def test_which_are_probed_is_the_permutation_of_the_cycle(fraction):
    """By the permutation in C, one item at a time: key (seed, cycle), places in order."""
    estimator, seed = bf.CGE(fraction, order="cyclic"), 2**32 - 1
    steps, expected = min(D, ceil(1 / fraction)), []
    for cycle in (0, 1, 6):
        place = [native.permute(rng.Domain.MASK, seed, cycle, D, k) for k in range(D)]
        by_place = sorted(range(D), key=lambda k: place[k])
        found = [estimator.coordinates(GRAPH, seed, cycle * steps + k).tolist() for k in range(steps)]
        assert sum(found, []) == by_place
        assert [len(block) for block in found] == [len(part) for part in np.array_split(np.arange(D), steps)]
        expected.append(by_place)
    assert expected[0] != expected[1]


def test_the_example_of_the_format():
    """runtime_c/FORMAT.md, "The record of a step"."""
    estimator = bf.CGE(0.34, order="cyclic")
    assert [estimator.coordinates(vector(8), 0, step).tolist() for step in range(3)] == [[1, 4, 7], [6, 0, 3], [2, 5]]


def test_a_block_may_last():
    """mask_refresh: the same block for so many steps, then the next; a mask is (seed, step) and nothing else."""
    once, lasting = bf.CGE(0.3, order="cyclic"), bf.CGE(0.3, order="cyclic", mask_refresh=3)
    for step in (29, 0, 14, 7, 15, 13):
        got = lasting.coordinates(GRAPH, 9, step).tolist()
        assert got == once.coordinates(GRAPH, 9, step // 3).tolist()
    assert once.coordinates(GRAPH, 8, 0).tolist() != once.coordinates(GRAPH, 9, 0).tolist()


@shares
@pytest.mark.parametrize("two_sided", [True, False])
def test_a_cycle_at_rest_is_the_dense_gradient(fraction, two_sided):
    """Added up over a cycle at one theta: each partial derivative once, bit for bit; their mean with `rescale`."""
    engine = bf.CompiledEngine()
    dense = gradient(bf.CGE(two_sided=two_sided), 0, engine)
    cyclic = bf.CGE(fraction, two_sided=two_sided, order="cyclic")
    steps = min(D, ceil(1 / fraction))
    parts = [gradient(cyclic, 2 * steps + k, engine) for k in range(steps)]
    assert_same_bits(np.sum(parts, axis=0), dense)
    assert sum(np.count_nonzero(part) for part in parts) == np.count_nonzero(dense) == D
    scaled = bf.CGE(fraction, two_sided=two_sided, order="cyclic", rescale=True)
    mean = np.mean([gradient(scaled, k, engine) for k in range(steps)], axis=0)
    np.testing.assert_allclose(mean, dense, rtol=1e-6)


@pytest.mark.parametrize("two_sided", [True, False])
def test_a_short_block_has_a_zero_behind_its_own(two_sided):
    """44 in five blocks: four of 9 and one of 8, whose record has nine numbers too."""
    estimator = bf.CGE(0.2, two_sided=two_sided, order="cyclic")
    trainer, batch = trainer_of(estimator), Batch(X, labels=LABELS)
    assert trainer.record_shape == (1, 9)
    for step, n in zip(range(5), (9, 9, 9, 9, 8), strict=True):
        estimate = trainer.estimate(ReferenceEngine(dtype=np.float64), THETA.astype(np.float64), batch, step)
        assert estimate.n_evaluations == (2 * n if two_sided else n + 1) == len(estimator.ask(GRAPH, 0, step))
        assert estimate.coefficients.shape == (1, 9) and np.count_nonzero(estimate.coefficients) == n
        assert np.all(estimate.coefficients[0, :n] != 0)


@pytest.mark.parametrize("fraction", [0.2, 0.3, 0.9])
@pytest.mark.parametrize("two_sided", [True, False])
def test_the_same_bits_in_every_engine_and_in_the_device_loop(fraction, two_sided):
    estimator = bf.CGE(fraction, two_sided=two_sided, rescale=two_sided, order="cyclic", mask_refresh=1 + two_sided)
    assert_loops_agree(trainer_of(estimator, seed=7), THETA, X, LABELS, steps=8)


def test_a_run_spends_what_it_says_and_comes_back():
    estimator = bf.CGE(0.2, two_sided=False, order="cyclic")
    settings = {"estimator": estimator, "update": bf.Adam(0.02), "batch_size": N, "seed": 3}
    run = bf.train(bf.Model(GRAPH, THETA), (X, LABELS), max_steps=10, engine="exact", **settings)
    assert run.evaluations == 2 * (D + 5) and run.losses[-1] < run.losses[0]
    assert run.trainer.evaluations == 10  # the most that a step takes
    for engine in ENGINES:
        assert_same_bits(bf.replay(run.journal, run.trainer, THETA, make_engine(engine)), run.model.theta)
    again = bf.Trainer.from_settings(bf.Model(GRAPH, THETA), run.trainer.settings())
    assert again.estimator == estimator
    random = trainer_of(bf.CGE(0.2, two_sided=False), bf.Adam(0.02), seed=3)
    assert random.fingerprint() != again.fingerprint()


def test_what_a_step_costs_on_average():
    """Over a cycle, in passes of one sample, where an engine keeps all it can."""
    estimator = bf.CGE(0.2, order="cyclic")
    trainer, engine = trainer_of(estimator), bf.CompiledEngine()
    spent = [trainer.estimate(engine, THETA, Batch(X, labels=LABELS), step).forwards for step in range(5)]
    assert spent == [estimator.cost(trainer, engine, step) for step in range(5)]
    assert np.mean(spent) == pytest.approx(trainer.forwards, rel=0.05)


def test_losses_that_are_lost_are_differences_of_zero():
    from bpfree.estimators.lost import tell_arrived

    estimator = bf.CGE(0.2, order="cyclic")
    values, arrived = floats(1, 16, N), np.arange(16) != 5
    made = tell_arrived(estimator, GRAPH, 0, 4, values, 16 * N, arrived)
    whole = estimator.tell(GRAPH, 0, 4, values)
    assert made.coefficients.shape == (1, 9) and made.diagnostics["lost"] == 1
    np.testing.assert_array_equal(made.coefficients[0], np.where(np.arange(9) == 2, 0, whole.coefficients[0]))


def test_firmware_says_so():
    assert ".cycle = 3}" in trainer_source.source(trainer_of(bf.CGE(0.4, order="cyclic")))
    assert ".cycle = 0}" in trainer_source.source(trainer_of(bf.CGE(0.4, mask_refresh=2)))


BAD = [
    (lambda: bf.CGE(0.5, order="sorted"), "order: expected one of 'random', 'cyclic', got 'sorted'"),
    (lambda: bf.CGE(order="cyclic"), "fraction: expected less than 1 with order='cyclic', got 1"),
    (lambda: bf.CGE(0.5, order="cyclic", ratios="erk"), "ratios: expected None with order='cyclic', .*, got 'erk'"),
    (lambda: bf.CGE(0.5, order="cyclic", ratios=(1, 2)), r"ratios: expected None .*, got \(1.0, 2.0\)"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_wrong_use_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
