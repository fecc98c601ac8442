"""Replies that do not come: what is left is averaged rightly, and the journal knows all of it."""

import numpy as np
import pytest
from executor_fakes import DATA, MODEL, Pool, train
from helpers import assert_same_bits, make_engine

import bpfree as bf
from bpfree.engines.batch import make_batch
from bpfree.estimators.lost import tell_arrived, tell_replies
from bpfree.losses import get_loss

BATCH = make_batch(MODEL.graph, get_loss("cross_entropy"), *DATA)


def trainer(estimator):
    return bf.Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", estimator, bf.SGD(0.1), batch_size=40, seed=5)


def estimate(estimator, lost, n_ranges, silent=False):
    """The Estimate when ranges whose number is in `lost` do not come."""
    pool = Pool(n_ranges, lose=lambda step, number: number in lost and step == 0, silent=silent)
    engine = bf.Futures(pool, "exact", 1.0 if silent else 60, n_ranges)
    return trainer(estimator).estimate(engine, MODEL.theta, BATCH, 3)


def whole(estimator):
    return trainer(estimator).estimate(make_engine("exact"), MODEL.theta, BATCH, 3)


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("two_sided", [True, False])
def test_rge_averages_over_the_queries_that_came(two_sided, silent):
    """12 queries, as 4 ranges; lost ones have no part in the mean, the others have as much more."""
    estimator = bf.RGE(n_queries=12 if two_sided else 11, two_sided=two_sided)
    full, part = whole(estimator), estimate(estimator, {1, 2}, 4, silent)
    q = estimator.n_queries
    kept = np.ones((1, q), bool)
    kept[0, 3:9] = not two_sided
    kept[0, 1:7] &= two_sided  # 12 probes, L(theta) the first: 0-2, 2-6, 6-8, 8-12
    assert (part.coefficients == 0).tolist() == (~kept).tolist()
    expected = full.coefficients[kept] * (q / kept.sum())
    np.testing.assert_allclose(part.coefficients[kept], expected, rtol=1e-6)
    assert part.diagnostics["lost"] == q - kept.sum() and "lost" not in full.diagnostics
    assert part.n_evaluations < full.n_evaluations and part.forwards == full.forwards
    assert np.isin(part.losses[:, 0], full.losses[:, 0]).all()


def test_cge_has_no_gradient_where_nothing_came():
    for two_sided in (True, False):
        full, part = whole(bf.CGE(two_sided=two_sided)), estimate(bf.CGE(two_sided=two_sided), {1}, 3)
        zero = part.coefficients == 0
        assert 0.25 < zero.mean() < 0.4
        assert_same_bits(part.coefficients[~zero], full.coefficients[~zero])


def test_groups_are_averaged_each_for_itself():
    estimator = bf.RGE(n_queries=8, grouping="layer")
    full, part = whole(estimator), estimate(estimator, {0}, 4)  # half of the first of two layers
    assert_same_bits(part.coefficients[1], full.coefficients[1])
    assert (part.coefficients[0, :4] == 0).all()
    np.testing.assert_allclose(part.coefficients[0, 4:], 2 * full.coefficients[0, 4:], rtol=1e-6)
    part = estimate(estimator, {0, 1}, 4)  # all of it
    assert (part.coefficients[0] == 0).all() and part.finite


def test_what_is_lost_does_not_bias_the_gradient():
    """The mean over many steps, half of each lost: cosine and norm ratio 1."""
    graph = MODEL.graph
    exact = whole(bf.CGE(mu=2.0**-10)).coefficients[0]
    estimator, total = bf.RGE(n_queries=64, mu=2.0**-9), np.zeros(graph.n_theta)
    pool = Pool(2, lose=lambda step, number: number == step % 2)
    engine, run, steps = bf.Futures(pool, "exact", 60, 2), trainer(estimator), 60
    for step in range(steps):
        got = run.estimate(engine, MODEL.theta, BATCH, step)
        assert (got.coefficients == 0).sum() >= 32
        total += run.gradient(step, got.coefficients)
    mean = total / steps
    assert mean @ exact / np.linalg.norm(mean) / np.linalg.norm(exact) > 0.97
    assert np.linalg.norm(mean) / np.linalg.norm(exact) == pytest.approx(1, abs=0.05)


EVERY = [
    bf.RGE(8), bf.RGE(7, two_sided=False), bf.RGE(8, grouping="tensor"), bf.RGE(8, direction="hadamard"),
    bf.RGE(8, combine="least_squares"), bf.Hybrid(12), bf.CGE(0.5), bf.CGE(0.5, rescale=True), bf.CGE(),
]  # fmt: skip


@pytest.mark.parametrize("estimator", EVERY, ids=str)
def test_a_reply_that_is_nan_and_one_that_did_not_come_are_the_same(estimator):
    """One rule for workers and for ask and tell; what came in its place may be anything."""
    values = np.random.default_rng(0).random((estimator.evaluations(MODEL.graph), 5), np.float32)
    arrived = np.arange(len(values)) % 7 != 3
    told = tell_replies(estimator, MODEL.graph, 5, 3, np.where(arrived[:, None], values, np.float32(np.nan)))
    got = tell_arrived(estimator, MODEL.graph, 5, 3, values, values.size, arrived)
    assert_same_bits(told.coefficients, got.coefficients)
    assert told.finite and told.diagnostics["lost"] == got.diagnostics["lost"] > 0
    assert told.losses.shape == got.losses.shape


@pytest.mark.parametrize("estimator", [bf.Hybrid(12), bf.RGE(6, combine="least_squares")], ids=str)
def test_mixed_means_and_what_is_solved_for_do_without_too(estimator):
    full, part = whole(estimator), estimate(estimator, {1}, 3)
    kept = part.coefficients != 0
    assert 0.3 < kept.mean() < 0.8 and part.finite and "lost" in part.diagnostics and "lost" not in full.diagnostics


def test_the_loss_at_theta_is_never_lost():
    estimator = bf.RGE(n_queries=11, two_sided=False)
    full, part = whole(estimator), estimate(estimator, {0}, 4)
    kept = part.coefficients[0] != 0
    assert kept.tolist() == [False] + [True] * 10
    np.testing.assert_allclose(part.coefficients[0, kept], full.coefficients[0, kept] * 11 / 10, rtol=1e-6)


@pytest.mark.parametrize("estimator", [bf.RGE(n_queries=6), bf.RGE(n_queries=5, two_sided=False), bf.CGE()], ids=str)
def test_when_all_is_lost_all_is_evaluated_here(estimator):
    full, part = whole(estimator), estimate(estimator, {0, 1, 2}, 3)
    assert_same_bits(part.coefficients, full.coefficients)
    assert_same_bits(part.losses, full.losses)
    assert "lost" not in part.diagnostics


def test_estimators_that_cannot_do_without_get_everything():
    class Own(bf.RGE):
        may_lose = False

    pool = Pool(3, lose=lambda step, number: number == 1)
    given = (MODEL.graph, MODEL.theta, MODEL.frozen, BATCH, get_loss("cross_entropy"))
    probes = bf.RGE(n_queries=6).ask(MODEL.graph, 5, 3)
    engine = bf.Futures(pool, "exact", 60, 3)
    (values, cost), (expected, expected_cost) = (one.evaluate(*given, probes) for one in (engine, make_engine("exact")))
    assert_same_bits(values, expected)
    assert cost == expected_cost == 12 * len(BATCH), "what workers keep, or lose, is not counted"
    run = trainer(bf.RGE(n_queries=6))
    got = Own(n_queries=6).estimate(run, engine, MODEL.theta, BATCH, 3)
    assert_same_bits(got.coefficients, whole(bf.RGE(n_queries=6)).coefficients)


@pytest.mark.parametrize(
    "estimator", [bf.RGE(n_queries=6), bf.RGE(n_queries=6, direction="hadamard"), bf.CGE(0.5)], ids=str
)
@pytest.mark.parametrize("engine", ["exact", "compiled"])
def test_a_run_with_losses_replays_to_its_bits(tmp_path, estimator, engine):
    pool = Pool(3, lose=lambda step, number: number == step % 4)
    path = tmp_path / "run.journal"
    run = train(bf.Futures(pool, engine, 60, 3), estimator, steps=7, journal=path, journal_every=7)
    assert run.model.hash != train(engine, estimator, steps=7).model.hash
    assert bf.theta_hash(bf.replay(path, MODEL)) == run.model.hash
    if estimator.averaged > 1:
        assert [int((record == 0).sum()) for record in run.journal.records] == [2, 2, 2, 0, 2, 2, 2]


def test_half_a_pair_has_no_difference_but_a_loss():
    """By ranges pairs stay together; an engine of one's own may lose any row."""
    estimator, arrived = bf.RGE(n_queries=4), np.ones(8, bool)
    arrived[[1, 2]] = False
    probes = estimator.ask(MODEL.graph, 5, 3)
    given = (MODEL.graph, MODEL.theta, MODEL.frozen, BATCH, get_loss("cross_entropy"), probes)
    values, cost = make_engine("exact").evaluate(*given)
    damaged = np.where(arrived[:, None], values, np.float32(np.nan))  # what did not arrive may be anything
    part = tell_arrived(estimator, MODEL.graph, 5, 3, damaged, cost, arrived)
    assert part.forwards == cost
    assert_same_bits(part.coefficients[0, 2:], 2 * whole(estimator).coefficients[0, 2:])
    assert (part.coefficients[0, :2] == 0).all() and part.finite and part.diagnostics["lost"] == 2
    assert_same_bits(part.losses, values[arrived])
