"""RGE(combine="least_squares") against linear algebra and gradients by automatic differentiation."""

from functools import cache

import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, floats, make_engine
from oracle import Network

import bpfree as bf
from bpfree.directions import DIRECTIONS
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.engines.cost import graph_macs
from bpfree.estimators import least_squares
from bpfree.graph.c_tables import device_tables
from bpfree.trainer import Trainer

NETWORK, N = Network(), 8
MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (3, 2), rank=2), bf.Tanh(), bf.Linear(2)], seed=3)
GRAPH, D = MODEL.graph, MODEL.graph.n_theta
THETA = MODEL.theta.astype(float) + floats(7, D, scale=0.2)
X, LABELS = floats(6, N, 6), np.arange(N).astype(np.uint32) % 2
BATCH, WIDE = Batch(X, labels=LABELS), ReferenceEngine(dtype=np.float64)
TRUE = NETWORK.gradient(THETA, X, labels=LABELS)

directions = pytest.mark.parametrize("direction", ["rademacher", "gaussian", "sphere"])


def trainer_of(q, combine="least_squares", seed=0, **settings):
    estimator = bf.RGE(q, combine=combine, **{"mu": 1e-4, **settings})
    return Trainer(GRAPH, MODEL.frozen, "cross_entropy", estimator, bf.SGD(0.1), batch_size=N, seed=seed)


@cache
def drawn(direction, q, seed, step, graph=GRAPH):
    """Return the directions V (d, q) of a step, float64."""
    row, v = DIRECTIONS[direction], np.zeros((graph.n_theta, q))
    for query in range(q):
        pieces = graph.pieces(0, graph.n_theta)
        for piece in pieces:
            v[piece.range, query] = row.draw(piece, seed, step, query)
        v[:, query] *= float(row.scale(pieces, seed, step, query))
    return v


def gradients(trainer, steps):
    """Estimates at the same theta, in float64."""
    for step in range(steps):
        estimate = trainer.estimate(WIDE, THETA, BATCH, step)
        yield trainer.gradient(step, estimate.coefficients)


@directions
@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("q", [2, 11, 30])
def test_it_has_the_derivatives_that_were_measured(q, two_sided, direction):
    """V^T g = (d / q) c, c by differences of losses; and g lies in the span of V."""
    trainer = trainer_of(q, two_sided=two_sided, direction=direction, seed=5)
    estimate = trainer.estimate(WIDE, THETA, BATCH, 3)
    v, losses, mu = drawn(direction, q, 5, 3), estimate.losses.mean(axis=1), float(np.float32(1e-4))
    c = (losses[0::2] - losses[1::2]) / (2 * mu) if two_sided else (losses[1:] - losses[0]) / mu
    g = trainer.gradient(3, estimate.coefficients)
    np.testing.assert_allclose(v.T @ g, D / q * c, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(v @ np.linalg.lstsq(v, g, rcond=None)[0], g, rtol=1e-9, atol=1e-10)


@directions
def test_it_is_the_projection_of_the_gradient(direction):
    """By d / q; scale="dim" is the projection itself."""
    for q, scale, by in ((7, 1, D / 7), (7, "dim", 1), (30, 1, D / 30)):
        trainer, v = trainer_of(q, direction=direction, scale=scale), drawn(direction, q, 0, 0)
        expected = by * v @ np.linalg.lstsq(v, TRUE, rcond=None)[0]
        got = next(gradients(trainer, 1))
        np.testing.assert_allclose(got, expected, atol=1e-5 * np.linalg.norm(TRUE) * by)


FLAT = bf.Sequential(4, [bf.Linear(11, bias=False)]).graph
"""As many parameters, in one tensor: drawn faster."""


def combined(direction, q, steps):
    """Estimates (steps, d) from exact derivatives: that measured ones give these is tested above."""
    vs = (drawn(direction, q, 0, step, FLAT) for step in range(steps))
    return np.array([v @ least_squares.combine(FLAT, direction, 0, k, v.T @ TRUE) for k, v in enumerate(vs)])


@pytest.mark.parametrize(("direction", "q"), [("rademacher", 2), ("rademacher", 11), ("rademacher", 33), ("sphere", 9)])
def test_the_mean_is_the_gradient_and_the_variance_that_of_projections(direction, q):
    """E |g - grad|^2 / |grad|^2 = d / q - 1, from which the mean's distance follows: its cosine and its norm."""
    steps = 200
    got, length = combined(direction, q, steps), np.linalg.norm(TRUE)
    mean, spread = got.mean(axis=0), np.sum((got - TRUE) ** 2, axis=1) / length**2
    assert abs(spread.mean() - (D / q - 1)) < 5 * spread.std() / np.sqrt(steps) < 0.35 * (D / q - 1)
    noise = np.sqrt((D / q - 1) / steps)
    cosine, ratio = mean @ TRUE / np.linalg.norm(mean) / length, np.linalg.norm(mean) / length
    assert cosine > 1 - noise**2 and abs(ratio - 1) < 4 * noise / np.sqrt(D) + noise**2
    for wrong in (q / D, D / q):  # unscaled, or scaled twice
        assert abs(wrong * ratio - 1) > 4 * noise / np.sqrt(D) + noise**2


def test_it_pays_from_a_query_to_four_parameters_on():
    """Mean squared errors beside the mean's, by (d - q) / (d - 1): alike at a few queries, a quarter less at d / 4."""
    ratio, steps = {}, 200
    for q in (2, D // 4, D // 2):
        vs = [drawn("rademacher", q, 0, step, FLAT) for step in range(steps)]
        means = np.array([v @ (v.T @ TRUE) / q for v in vs])
        errors = [np.mean(np.sum((g - TRUE) ** 2, axis=1)) for g in (combined("rademacher", q, steps), means)]
        ratio[q] = errors[0] / errors[1]
        assert ratio[q] == pytest.approx((D - q) / (D - 1), abs=0.1)
    assert ratio[D // 2] < ratio[D // 4] < 0.85 < 0.9 < ratio[2] < 1.1


def test_as_many_directions_as_parameters_give_the_gradient():
    got = next(gradients(trainer_of(D, direction="gaussian"), 1))
    np.testing.assert_allclose(got, TRUE, atol=1e-4 * np.linalg.norm(TRUE))


@pytest.mark.parametrize("n", [2, 3, 5])
def test_directions_that_depend_on_each_other(n):
    """Signs of few parameters repeat: the pseudo-inverse, and d / rank, by NumPy's."""
    tiny, seen = bf.Sequential(1, [bf.Linear(n, bias=False)]).graph, set()
    for step in range(40):
        v = drawn("rademacher", n, 1, step, tiny)
        rank = np.linalg.matrix_rank(v)
        seen.add(rank)
        gradient = floats(step, n).astype(float)
        a = least_squares.combine(tiny, "rademacher", 1, step, v.T @ gradient)
        expected = n / rank * v @ np.linalg.pinv(v) @ gradient
        np.testing.assert_allclose(v @ a, expected, rtol=1e-9, atol=1e-12)
    assert len(seen) > 1 and max(seen) == n


@directions
def test_blocks_make_no_difference(direction, monkeypatch):
    graph = bf.Sequential(40, [bf.Linear(7), bf.Linear(3)]).graph
    c, v = floats(1, 6).astype(float), drawn(direction, 6, 2, 1, graph)
    whole = least_squares.combine(graph, direction, 2, 1, c)
    np.testing.assert_allclose(whole, graph.n_theta / 6 * np.linalg.solve(v.T @ v, c), rtol=1e-12)
    monkeypatch.setattr(least_squares, "_MOST", 500)
    np.testing.assert_allclose(least_squares.combine(graph, direction, 2, 1, c), whole, rtol=1e-12)


def test_what_it_costs_is_counted():
    """d q (q + 1) / 2 for the products, q^3 / 6 + q^2 for the solution, in passes."""
    plain, solved = trainer_of(20, "mean"), trainer_of(20)
    macs = D * 210 + 8000 // 6 + 400
    extra = -(-macs // graph_macs(GRAPH))
    engine = make_engine("exact")
    assert solved.forwards - plain.forwards == solved.cost(engine, 0) - plain.cost(engine, 0) == extra > 0
    theta = THETA.astype(np.float32)
    assert solved.estimate(engine, theta, BATCH, 0).forwards == solved.cost(engine, 0)


def test_a_run_is_replayed_gone_on_with_and_the_same_on_every_engine(tmp_path):
    settings = {"estimator": bf.RGE(9, combine="least_squares"), "update": bf.SGD(0.05), "batch_size": 4, "seed": 2}
    runs = [bf.train(MODEL, (X, LABELS), max_steps=6, engine=make_engine(name), **settings) for name in ENGINES]
    assert len({run.model.hash for run in runs}) == 1
    files = {"checkpoint": tmp_path / "run.ckpt", "journal": tmp_path / "run.journal", "journal_every": 2}
    bf.train(MODEL, (X, LABELS), max_steps=3, engine="exact", **settings, **files)
    run = bf.train(MODEL, (X, LABELS), max_steps=6, engine="compiled", resume=True, **settings, **files)
    assert run.model.hash == runs[0].model.hash
    for name in ENGINES:
        assert_same_bits(bf.replay(files["journal"], MODEL, engine=make_engine(name)), runs[0].model.theta)


def test_ask_and_tell_gives_the_same_steps():
    ask = bf.RGE(4, combine="least_squares", scale="dim").start(np.zeros(4), seed=3, update=bf.SGD(0.5), max_steps=30)
    for points in ask:
        v = (points[0::2] - ask.theta).T / 2.0**-7
        before, estimate = ask.theta.copy(), ask.tell([np.sum((p - 1) ** 2) for p in points])
        if np.linalg.matrix_rank(v) == 4:
            np.testing.assert_allclose(ask.theta, before - 0.5 * 2 * (before - 1), atol=1e-9)
        np.testing.assert_allclose(v @ estimate.coefficients[0], (before - ask.theta) / 0.5, atol=1e-9)
    assert np.allclose(ask.theta, 1)


def test_losses_that_are_not_finite_are_a_result():
    ask = bf.RGE(3, combine="least_squares").start(np.zeros(3))
    ask.tell(np.full(6, np.nan))
    assert ask.outcome_code == "nonfinite_loss" and not ask.theta.any()
    coefficients = np.full((1, 3), np.float32(3e38))
    solved = bf.RGE(3, combine="least_squares").as_record(GRAPH, 0, 0, coefficients)
    assert not np.isfinite(solved).all() or np.abs(solved).max() > 1e38


def test_what_is_lost_is_left_out_of_the_span():
    """By the normal equations of the directions that are left, (d / r) V (V^T V)^+ V^T gradient."""
    ask = bf.RGE(4, combine="least_squares").start(np.zeros(9), seed=3, update=bf.SGD(0.1), max_steps=30)
    for points in ask:
        left = np.arange(4) != ask.step % 4
        v = ((points[0::2] - ask.theta).T / 2.0**-7)[:, left]
        values = np.array([np.sum((p - 1) ** 2) for p in points])
        values[2 * (ask.step % 4) + ask.step % 2] = np.nan
        before, gradient = ask.theta.copy(), 2 * (ask.theta - 1)
        estimate = ask.tell(values)
        expected = 9 / np.linalg.matrix_rank(v) * v @ np.linalg.pinv(v) @ gradient
        np.testing.assert_allclose(before - ask.theta, 0.1 * expected, atol=1e-8 * np.abs(gradient).max())
        assert not estimate.coefficients[0, ~left].any()
    assert ask.step == 30 and ask.lost == 30


WRONG = [
    (lambda: bf.RGE(3, combine="median"), "combine: expected one of 'mean', 'least_squares', got 'median'"),
    (lambda: bf.RGE(3, combine="least_squares", grouping="layer"), "for grouping='joint' and .* got grouping='layer'"),
    (lambda: bf.RGE(combine="least_squares"), "n_queries of 2 or more, got grouping='joint', n_queries=1"),
    (lambda: trainer_of(D + 1).record_shape, rf"n_queries: expected at most one a parameter \({D}\) .*, got {D + 1}"),
    (lambda: bf.RGE(4, combine="least_squares").start(np.zeros(3)), r"at most one a parameter \(3\)"),
    (lambda: bf.RGE(3, direction="hadamard", combine="least_squares"), "whose queries are orthogonal already"),
    (
        lambda: bf.train(
            MODEL, (X, LABELS), estimator=bf.RGE(99, combine="least_squares"), batch_size=2, max_steps=1
        ),
        "at most one",
    ),
    (lambda: device_tables(trainer_of(4)), "combine='least_squares', which is solved in float64 on the host"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=range(len(WRONG)))
def test_wrong_use_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
