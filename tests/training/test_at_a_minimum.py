# SPDX-License-Identifier: MIT
"""A run whose loss no probe changes any more because it is at a minimum has not failed; one that never began to has."""

import numpy as np
import pytest

import bpfree as bf
from bpfree.journal import Journal

X = np.random.default_rng(0).uniform(-1, 1, (4000, 2)).astype("f4")
LINE = {"loss": "mse", "estimator": bf.UnitWise(), "update": bf.SGD(0.1), "batch_size": 32}


def line(seed=1):
    return bf.Sequential(2, [bf.Linear(1)], seed=seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_perfect_fit_is_no_failure(tmp_path, seed):
    data, path = (X, np.full(4000, 3.5)), tmp_path / "j"
    found = bf.train(line(seed), data, epochs=20, **LINE, journal=path, journal_every=100)
    assert found.outcome_code == "stalled" and found.quiet == 10 and found.steps < 2500 and found.advice == ""
    still = "the loss is 0 and no probe changed it for 10 steps: nothing is left to learn"
    assert found.outcome == f"step {found.steps - 1}: {still}"
    assert np.array_equal(found.model.predict(X), np.full((4000, 1), 3.5, "f4")), "it is the answer"
    assert Journal.read(path).events[-1].text == f"stalled: {found.outcome}"


def test_going_on_from_a_perfect_fit_is_none_either():
    """From the start no probe changes the loss there, and no step moves theta."""
    fit = bf.Model(line().graph, np.array([1, 2, 0.5], "f4"))
    for estimator in (bf.UnitWise(), bf.RGE(4, mu=1e-30), bf.RGE(4)):
        found = bf.train(fit, (X, X @ [1, 2] + 0.5), max_steps=100, **{**LINE, "estimator": estimator})
        assert found.outcome_code in ("done", "stalled") and found.advice == "", estimator


def test_a_loss_that_fell_and_stands_still_is_at_a_minimum():
    """The least squares of answers that no line can give: theta is their mean, and float32 sees no slope there."""
    x, y = np.zeros((64, 2), "f4"), np.repeat([1.0, 5.0], 32)
    found = bf.train(line(), (x, y), max_steps=3000, **{**LINE, "batch_size": 64, "estimator": bf.CGE(mu=1e-4)})
    assert found.outcome_code == "mu_too_small", "it has learnt nothing that is not in a constant answer"
    x[:32, 0] = 1
    noisy = np.where(np.arange(64) % 2, y, y + 0.5)
    found = bf.train(line(), (x, noisy), max_steps=9000, **{**LINE, "batch_size": 64, "estimator": bf.CGE(mu=1e-4)})
    least = np.square(noisy - np.where(x[:, 0], 1.25, 5.25)).mean()
    assert found.outcome_code == "stalled" and found.losses[-1] == pytest.approx(least, rel=1e-3)
    assert "as no probe changed it for 10 steps: a minimum, or ground so flat that only a larger mu" in found.outcome


@pytest.mark.parametrize("y", [X[:, :1], np.full((4000, 1), 3.5)], ids=["targets", "one target"])
def test_a_mu_that_is_too_small_from_the_start_is_still_a_failure(y):
    found = bf.train(line(), (X, y), max_steps=100, **{**LINE, "estimator": bf.RGE(4, mu=1e-30)})
    assert found.outcome_code == "mu_too_small" and found.steps == 10


def test_the_next_phase_goes_on_from_a_minimum():
    more = bf.Phase(bf.RGE(2), bf.SGD(1e-3), {"max_steps": 5})
    phases = [bf.Phase(bf.UnitWise(), bf.SGD(0.1), {"max_steps": 2500}), more]
    runs = bf.train_phases(line(), (X, np.full(4000, 3.5)), phases, loss="mse")
    assert [run.outcome_code for run in runs] == ["stalled", "done"]


def squares(outputs, targets):
    return ((outputs - targets) ** 2).mean(axis=1)


def minibatches(step, rng):
    chosen = rng.integers(0, 256, 16)
    return RAW[0][chosen], RAW[1][chosen]


RAW = (lambda x: (x, (np.sin(x[:, :1]) + x[:, 1:2] ** 2 - 1).astype("f4")))(
    np.random.default_rng(0).normal(size=(256, 4)).astype("f4")
)


@pytest.mark.parametrize(
    "settings",
    [{"data": RAW, "batch_size": 16, "loss": "mse"}, {"batches": minibatches, "loss": "mse"},
     {"data": RAW, "batch_size": 16, "loss": squares}],
    ids=["data", "batches", "a loss of one's own"],
)  # fmt: skip
def test_a_network_whose_units_are_all_off_is_at_no_minimum(settings):
    """Steps that are too large leave it with one answer for every x; where theta has exploded that is divergence."""
    dead = 0
    for seed in range(12):
        model = bf.Sequential(4, [bf.Linear(8), bf.ReLU(), bf.Linear(1), bf.ReLU()], seed=seed)
        run = bf.train(model, update=bf.SGD(3.0), max_steps=100, seed=seed, **settings)
        far = np.abs(run.model.theta).max() > 100 * np.abs(model.theta).max()
        if run.outcome_code in ("stalled", "mu_too_small"):
            assert not far
        if not run.went_back and run.model.predict(RAW[0]).std() == 0:
            dead += 1
            assert run.outcome_code == "mu_too_small"
    assert dead > 2, "else nothing was tried"
