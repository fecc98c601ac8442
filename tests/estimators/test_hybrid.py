"""Hybrid: probes shared out, direction and norm against autograd, less noise than one direction for all."""

import itertools

import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, floats, make_engine
from oracle import Network

import bpfree as bf
from bpfree.engines.batch import Batch
from bpfree.engines.probes import perturb
from bpfree.estimators.hybrid import _share_out
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.trainer import Trainer

MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (3, 2), rank=2), bf.Tanh(), bf.Linear(2)], seed=3)
GRAPH, D = MODEL.graph, MODEL.graph.n_theta
SIZES = [12, 12, 6, 12, 2]
THETA = MODEL.theta + floats(7, D, scale=0.2)
X, LABELS = floats(6, 8, 6), np.arange(8).astype(np.uint32) % 2
TRUE = Network().gradient(THETA, X, labels=LABELS)
sides = pytest.mark.parametrize("two_sided", [True, False], ids=["two-sided", "one-sided"])


def trainer_of(estimator, seed=0):
    return Trainer(GRAPH, MODEL.frozen, "cross_entropy", estimator, bf.SGD(1.0), batch_size=8, seed=seed)


def linear_gradients(estimator, slopes, steps):
    """(steps, d) of estimates of a loss that is slopes @ theta: no bias."""
    theta = np.zeros(D)
    for step in range(steps):
        probes = estimator.ask(GRAPH, 0, step)
        values = np.array([[slopes @ perturb(GRAPH, theta, probe)] for probe in probes])
        yield estimator.gradient(GRAPH, 0, step, estimator.tell(GRAPH, 0, step, values).coefficients)


def noise(shares, sizes):
    return sum(d / q - 1 for d, q in zip(sizes, shares, strict=True))


@pytest.mark.parametrize("sizes", [(5, 2), (1, 7, 3), (6, 4, 1, 2), (4, 4, 4)])
def test_no_other_way_of_sharing_out_leaves_less_noise(sizes):
    """Every allocation is tried."""
    for n in range(len(sizes), sum(sizes) + 3):
        least = min(
            noise(shares, sizes)
            for shares in itertools.product(*(range(1, d + 1) for d in sizes))
            if sum(shares) <= n
        )
        shares = _share_out(tuple(sizes), n)
        assert sum(shares) == min(n, sum(sizes)) and all(1 <= q <= d for q, d in zip(shares, sizes, strict=True))
        assert noise(shares, sizes) == pytest.approx(least, abs=1e-12)


def test_small_tensors_get_their_coordinates():
    allocation = bf.Hybrid(20).allocation(GRAPH)
    assert list(allocation.values()) == [5, 5, 3, 5, 2] and list(allocation)[-1] == "linear3.bias"
    assert list(bf.Hybrid(1000).allocation(GRAPH).values()) == SIZES
    assert bf.Hybrid(1000).record_shape(GRAPH) == (1, D)
    probes = bf.Hybrid(20).ask(GRAPH, 0, 0)
    assert [p.direction for p in probes] == ["hadamard"] * 36 + ["coordinate"] * 4
    assert [p.element for p in probes[36:]] == [42, 42, 43, 43]
    assert bf.Hybrid(20, two_sided=False).evaluations(GRAPH) == 21 and bf.Hybrid(20).evaluations(GRAPH) == 40


@sides
def test_direction_and_norm(two_sided):
    """The mean is the gradient: cosine and norm; small tensors have it at once, without noise."""
    estimator = bf.Hybrid(35, mu=2.0**-9 if two_sided else 2.0**-10, two_sided=two_sided)
    trainer, engine = trainer_of(estimator), make_engine(ENGINES[-1])
    steps, batch, zero = 700, Batch(X, LABELS), np.zeros(D, np.float32)
    mean = np.zeros(D)
    for step in range(steps):
        estimate = trainer.estimate(engine, THETA, batch, step)
        gradient = -engine.apply(trainer, zero, [], step, estimate.coefficients)[0]
        np.testing.assert_allclose(gradient[-2:], TRUE[-2:], atol=1e-3)
        mean += gradient / steps
    norm, true = np.linalg.norm(mean), np.linalg.norm(TRUE)
    assert mean @ TRUE / (norm * true) >= 0.99 and abs(norm / true - 1) <= 0.02


def test_noise_of_each_tensor():
    """(d - 1)/q (D - q)/(D - 1) of its own gradient's square, D = 16 rows for 12 elements, 8 for 6; 0 for 2."""
    drawn = np.stack(list(linear_gradients(bf.Hybrid(20), TRUE, 150)))
    for part, d, q in zip(GRAPH.slices, SIZES, [5, 5, 3, 5, 2], strict=True):
        rows, where = {12: 16, 6: 8, 2: 2}[d], part.range
        expected = (d - 1) / q * (rows - q) / (rows - 1) * (TRUE[where] @ TRUE[where])
        squares = ((drawn[:, where] - TRUE[where]) ** 2).sum(axis=1)
        assert abs(squares.mean() - expected) <= 5 * squares.std() / np.sqrt(150) + 1e-12


@sides
def test_with_all_probes_it_is_cge(two_sided):
    """The same losses, summed and multiplied in the same order: the same bits."""
    for name in ENGINES:
        engine, batch = make_engine(name), Batch(X, LABELS)
        hybrid, cge = (
            trainer_of(estimator).estimate(engine, THETA, batch, 3).coefficients
            for estimator in (bf.Hybrid(D, two_sided=two_sided), bf.CGE(two_sided=two_sided))
        )
        assert_same_bits(hybrid, cge)


def test_less_noise_than_one_direction_for_all():
    """At the same number of evaluations, where all tensors have gradients of equal length."""
    slopes = np.concatenate([TRUE[part.range] / np.linalg.norm(TRUE[part.range]) for part in GRAPH.slices])
    noises = [
        np.mean([((g - slopes) ** 2).sum() for g in linear_gradients(estimator, slopes, 40)])
        for estimator in (bf.Hybrid(20), bf.RGE(20, direction="hadamard"), bf.RGE(20))
    ]
    assert noises[0] < 0.9 * noises[1] and noises[1] < 0.8 * noises[2]


@pytest.mark.parametrize("name", ENGINES)
def test_a_run_replays(name):
    x, y = floats(1, 40, 6), np.arange(40) % 2
    run = bf.train(MODEL, (x, y), estimator=bf.Hybrid(20), update=bf.chain(bf.clip(0.5), bf.Adam(0.01)), batch_size=8,
                   max_steps=7, engine=make_engine(name))  # fmt: skip
    assert run.evaluations == 7 * 40 and len(run.journal) == 7
    for other in ENGINES:
        assert_same_bits(bf.replay(run.journal, MODEL, engine=make_engine(other)), run.model.theta)


def test_frozen_tensors_have_no_probes():
    nodes = [
        ("linear", "a", ["input"], {"outputs": 4, "bias": True}),
        ("linear", "b", ["a"], {"outputs": 2, "bias": True}),
    ]
    graph = assemble((3,), nodes, ("a.weight",))
    theta, constants = initial_parameters(graph, 0, {})
    assert bf.Hybrid(9).allocation(graph) == {"a.bias": 3, "b.weight": 4, "b.bias": 2}
    trainer = Trainer(graph, constants, "cross_entropy", bf.Hybrid(9), bf.SGD(), 8)
    batch = Batch(X[:, :3].copy(), LABELS)
    records = [trainer.estimate(make_engine(name), theta, batch, 0).coefficients for name in ENGINES]
    for record in records[1:]:
        assert_same_bits(record, records[0])


def test_wrong_use_is_named():
    with pytest.raises(ValueError, match="n_queries: expected at least one for each of the 5 parameter tensors, got 4"):
        bf.train(MODEL, (X, LABELS), estimator=bf.Hybrid(4), batch_size=4, max_steps=1)
    with pytest.raises(ValueError, match="n_queries: expected .* 65536"):
        bf.Hybrid(65537)
    with pytest.raises(ValueError, match="mu: "):
        bf.Hybrid(mu=0)
    with pytest.raises(ValueError, match="two_sided: "):
        bf.Hybrid(two_sided="yes")


def test_normalize_is_refused_where_coefficients_are_parts_of_different_means():
    model = bf.Sequential(4, [bf.Linear(2)])
    update = bf.chain(bf.Normalize(), bf.SGD(0.1))
    with pytest.raises(ValueError, match="update: Normalize is for estimators .* all of one kind, got hybrid"):
        bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.Hybrid(), update, batch_size=2)
    with pytest.raises(ValueError, match="update: Normalize is for estimators .* all of one kind, got hybrid"):
        bf.Hybrid().start(np.zeros(3), update=update)
