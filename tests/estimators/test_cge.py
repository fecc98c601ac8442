"""CGE against automatic differentiation: dense, of a share of the coordinates, and what a record stands for."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import ENGINES, FRACTIONS, assert_same_bits, device_loop, floats, make_engine, show
from oracle import Network

import bpfree as bf
from bpfree import native, rng
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.errors import NumericError
from bpfree.estimators import ESTIMATORS
from bpfree.graph.c_tables import model_tables
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer
from bpfree.trainer import Trainer

N = 8
NETWORK = Network()
MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (3, 2), rank=2), bf.Tanh(), bf.Linear(2)], seed=3)
GRAPH, D = MODEL.graph, MODEL.graph.n_theta
THETA = MODEL.theta + floats(7, D, scale=0.2)
LABELS = {"labels": np.arange(N).astype(np.uint32) % 2}
TARGETS = {"targets": floats(8, N, 2)}
X = floats(6, N, 6)
LOSSES = {"cross_entropy": LABELS, "mse": TARGETS}
WIDE, COMPILED = ReferenceEngine(dtype=np.float64), bf.CompiledEngine()

sides = pytest.mark.parametrize("two_sided", [True, False], ids=["two-sided", "one-sided"])
fractions = pytest.mark.parametrize("fraction", FRACTIONS)


def trainer_of(estimator, loss="cross_entropy", graph=GRAPH, frozen=MODEL.frozen, seed=0):
    return Trainer(graph, frozen, loss, estimator, bf.SGD(1.0), batch_size=N, seed=seed)


def gradient(estimator, engine=WIDE, loss="cross_entropy", step=0, seed=0):
    """The estimate at THETA on all samples, in the engine's precision."""
    trainer = trainer_of(estimator, loss, seed=seed)
    estimate = trainer.estimate(engine, THETA.astype(engine.dtype), Batch(X, **LOSSES[loss]), step)
    return trainer.gradient(step, estimate.coefficients)


def probed(gradient):
    """Coordinates that a gradient says something about."""
    return np.flatnonzero(gradient)


@sides
@pytest.mark.parametrize("loss", LOSSES)
def test_dense_is_the_gradient_and_its_error_has_the_order_it_should(loss, two_sided):
    """O(mu^2) two-sided, O(mu) one-sided: a quarter and a half the error at half the mu."""
    true = NETWORK.gradient(THETA, X, **LOSSES[loss])
    errors = [np.abs(gradient(bf.CGE(mu=mu, two_sided=two_sided), loss=loss) - true).max() for mu in (2e-3, 1e-3)]
    assert errors[1] < (1e-6 if two_sided else 1e-3) * np.abs(true).max() * 10
    assert errors[0] / errors[1] == pytest.approx(4 if two_sided else 2, rel=0.02)


@sides
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("engine", ["reference", "exact", "compiled"])
def test_dense_in_float32(engine, loss, two_sided):
    engine = bf.CompiledEngine() if engine == "compiled" else ReferenceEngine(exact=engine == "exact")
    true = NETWORK.gradient(THETA, X, **LOSSES[loss])
    g = gradient(bf.CGE(mu=2.0**-7, two_sided=two_sided), engine, loss).astype(np.float64)
    norm, length = np.linalg.norm(g), np.linalg.norm(true)
    cosine, ratio = g @ true / (norm * length), norm / length
    assert cosine > 0.9999 and abs(ratio - 1) < 2e-3
    for wrong in (-g, 2 * g, g / 2, D * g, g / D, g[::-1]):
        assert not (wrong @ true / (np.linalg.norm(wrong) * length) > 0.9999
                    and abs(np.linalg.norm(wrong) / length - 1) < 2e-3)  # fmt: skip


@fractions
@sides
def test_what_is_probed_is_as_in_the_dense_estimate_and_the_rest_is_zero(fraction, two_sided):
    dense = gradient(bf.CGE(two_sided=two_sided), COMPILED, step=3)
    assert np.all(dense != 0)
    sparse = gradient(bf.CGE(fraction, two_sided=two_sided), COMPILED, step=3)
    kept = probed(sparse)
    assert len(kept) == round(fraction * D)
    assert_same_bits(sparse[kept], dense[kept])


@fractions
def test_which_are_probed_is_the_permutation(fraction):
    """Element k is probed iff P(k) < n, and its coefficient is number P(k); with n = d there is no P."""
    estimator, step, seed = bf.CGE(fraction), 11, 2**32 - 1
    (_, n), place = estimator.record_shape(GRAPH), rng.shuffle(seed, step, D, np.arange(D), rng.Domain.MASK)
    coefficients = floats(0, 1, n)
    expected = np.zeros(D, np.float32)
    for k in range(D):
        number = k if n == D else place[k]
        if number < n:
            expected[k] = coefficients[0, number]
    for engine in map(make_engine, ENGINES):
        theta, _ = engine.apply(trainer_of(estimator, seed=seed), np.zeros(D, np.float32), [], step, coefficients)
        assert_same_bits(theta, np.float32(0) - expected)
    elements = [probe.element for probe in estimator.ask(GRAPH, seed, step)[::2]]
    assert elements == sorted(range(D), key=lambda k: k if n == D else place[k])[:n]


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.9])
@pytest.mark.parametrize("rescale", [False, True])
def test_the_mean_is_fraction_times_the_gradient(fraction, rescale):
    """E[g] = p grad, p the share that is *probed*, not that left out; with rescale it is grad.

    Each coordinate is probed in a share of the steps that varies by p (1 - p) / steps; 5 sigma.
    """
    steps, n = 600, round(fraction * D)
    p = n / D
    dense = gradient(bf.CGE(), COMPILED).astype(np.float64)
    total, counts = np.zeros(D), np.zeros(D)
    for step in range(steps):
        g = gradient(bf.CGE(fraction, rescale=rescale), COMPILED, step=step)
        total += g
        counts[probed(g)] += 1
    assert np.abs(counts / steps - p).max() < 5 * np.sqrt(p * (1 - p) / steps)
    expected = dense if rescale else p * dense
    bound = 5 * np.sqrt(p * (1 - p) / steps) / p
    assert np.abs(total / steps - expected).max() < bound * np.abs(expected).max()
    wrong = (1 - p) * dense * (1 if not rescale else 1 / p)
    assert np.abs(total / steps - wrong).max() > bound * np.abs(expected).max()


def test_masks_are_fresh_every_step_and_belong_to_the_seed():
    masks = [set(probed(gradient(bf.CGE(0.3), COMPILED, step=step, seed=seed)))
             for seed, step in ((0, 0), (0, 1), (0, 2), (1, 0))]  # fmt: skip
    n = round(0.3 * D)
    for k, mask in enumerate(masks):
        assert len(mask) == n
        # two independent ones share n^2 / d = 3.8 on average, with variance below that
        assert all(len(mask & other) < 3.8 + 5 * np.sqrt(3.8) for other in masks[:k])


@pytest.mark.parametrize("n", [1, 2, 5, 44, 64, 1000])
def test_the_permutation_in_c_and_its_inverse(n):
    for seed, step in ((0, 0), (5, 9)):
        place = rng.shuffle(seed, step, n, np.arange(n), rng.Domain.MASK).tolist()
        assert sorted(place) == list(range(n))
        assert [native.permute(rng.Domain.MASK, seed, step, n, i) for i in range(n)] == place
        back = [native.permute(rng.Domain.MASK, seed, step, n, i, inverse=True) for i in place]
        assert back == list(range(n))
    if n > 40:
        assert place != rng.shuffle(5, 9, n, np.arange(n)).tolist(), "each domain has its own"


@pytest.mark.parametrize(
    ("fraction", "n"), [(1.0, 44), (1e-6, 1), (0.5, 22), (0.3, 13), (0.125, 6), (0.999, 44)]
)
def test_the_record_has_a_number_for_each_that_is_probed(fraction, n):
    estimator = bf.CGE(fraction)
    assert D == 44 and estimator.record_shape(GRAPH) == (1, n)
    assert estimator.evaluations(GRAPH) == 2 * n == len(estimator.ask(GRAPH, 0, 0))
    one_sided = bf.CGE(fraction, two_sided=False)
    assert one_sided.evaluations(GRAPH) == n + 1 == len(one_sided.ask(GRAPH, 0, 0))


@sides
def test_probes_asked_for(two_sided):
    probes = bf.CGE(mu=0.5, two_sided=two_sided).ask(GRAPH, seed=9, step=4)
    expected = [] if two_sided else [(0.0, 0)]
    for k in range(D):
        expected += [(mu, k) for mu in ((0.5, -0.5) if two_sided else (0.5,))]
    assert [(p.mu, p.element) for p in probes] == expected
    assert {(p.seed, p.step, p.direction) for p in probes} == {(9, 4, "coordinate")}


@fractions
def test_frozen_parameters_are_not_probed(fraction):
    rows = [
        ("linear", "a", ["input"], {"outputs": 4, "bias": True}),
        ("tanh", "b", ["a"], {}),
        ("linear", "c", ["b"], {"outputs": 2, "bias": True}),
    ]
    graph = assemble([6], rows, frozen=["a.bias", "c.weight"])
    theta, frozen = initial_parameters(graph, 1)
    assert graph.n_theta == 26
    trainer = trainer_of(bf.CGE(fraction), graph=graph, frozen=frozen)
    assert max(p.element for p in trainer.estimator.ask(graph, 0, 0)) < 26
    expected = trainer.estimate(make_engine("exact"), theta, Batch(X, **LABELS).take(trainer.indices(2, N)), 2)
    loop = device_loop(trainer, X, LABELS["labels"])
    loop.step(theta, 2)
    assert_same_bits(loop.coefficients, expected.coefficients[0])


@sides
@pytest.mark.parametrize(
    "estimator", [bf.CGE(0.3), bf.RGE(2, direction="gaussian"), bf.RGE(direction="sphere")], ids=show
)
def test_only_signs_need_tables_of_two_sides(estimator, two_sided):
    """The others make plain passes at another theta: half the activations of paired probes."""
    trainer = trainer_of(replace(estimator, two_sided=two_sided))
    signs = bf.RGE(two_sided=two_sided)
    assert trainer.estimator.row.device.sides(trainer.estimator) == 1
    assert signs.row.device.sides(signs) == 1 + two_sided
    tables = model_tables(GRAPH, sides=1)
    assert tables.arena.floats(1) < model_tables(GRAPH, sides=2).arena.floats(1)
    small = NativeTrainer(NativeModel(tables, "scalar"), data=(X, LABELS["labels"], None), **trainer.native_settings())
    assert_same_bits(small.step(THETA, 0), device_loop(trainer, X, LABELS["labels"]).step(THETA, 0))


@sides
def test_theta_is_put_back_when_a_step_fails(two_sided):
    theta = THETA.copy()
    theta[GRAPH.slices[-2].range] = 3e38  # the scores overflow
    theta[0] = np.float32(-0.0)
    loop = device_loop(trainer_of(bf.CGE(two_sided=two_sided)), X, LABELS["labels"])
    with pytest.raises(NumericError):
        loop.step(theta, 0)
    assert_same_bits(loop.theta, theta)


@pytest.mark.parametrize("engine", ["exact", "compiled"])
def test_training_is_gradient_descent(engine):
    """30 steps of SGD on all samples end where those with autograd's gradients do."""
    labels = LABELS["labels"]
    run = bf.train(
        bf.Model(GRAPH, THETA), (X, labels), estimator=bf.CGE(mu=2.0**-8), update=bf.SGD(0.5), batch_size=N,
        max_steps=30, engine=engine,
    )  # fmt: skip
    theta = THETA.astype(np.float64)
    for _ in range(30):
        theta = theta - 0.5 * NETWORK.gradient(theta, X, **LABELS)
    assert run.losses[-1] < 0.5 * run.losses[0]
    assert np.linalg.norm(run.model.theta - theta) < 1e-3 * np.linalg.norm(theta - THETA)
    assert run.evaluations == 30 * 2 * D
    assert_same_bits(bf.replay(run.journal, run.trainer, THETA, "exact"), run.model.theta)


def test_its_row():
    row = ESTIMATORS.of(bf.CGE(0.5))
    assert (row.name, row.journal, row.tier) == ("cge", "SNAPSHOT", "black-box")
    names = {ESTIMATORS.of(bf.RGE(direction=d)).name for d in ("rademacher", "gaussian", "sphere")}
    assert names == {"rge", "rge_gaussian", "rge_sphere"}


BAD = [
    (lambda: bf.CGE(0), r"fraction: expected a number in \(0, 1\], got 0"),
    (lambda: bf.CGE(1.01), r"fraction: expected a number in \(0, 1\], got 1.01"),
    (lambda: bf.CGE(-0.5), r"fraction: expected a number in \(0, 1\], got -0.5"),
    (lambda: bf.CGE(np.nan), r"fraction: expected a finite float32 number, got nan"),
    (lambda: bf.CGE("all"), r"fraction: expected a number, got 'all'"),
    (lambda: bf.CGE(mu=0), r"mu: expected a finite number > 0, got 0"),
    (lambda: bf.CGE(two_sided=2), r"two_sided: expected one of True, False, got 2"),
    (lambda: bf.CGE(rescale="yes"), r"rescale: expected one of True, False, got 'yes'"),
    (lambda: bf.RGE(scale=2), r"scale: expected one of 1, 'dim', got 2"),
    (lambda: bf.RGE(scale="dim", grouping="layer"), r"scale: expected 1, as 'dim' is for grouping='joint'"),
    (lambda: trainer_of(bf.CGE(0.5)).gradient(0, np.zeros((1, 44))), r"coefficients: expected shape \(1, 22\)"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_wrong_use_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
