# SPDX-License-Identifier: MIT
"""Updates against the textbook, in float64 and written differently."""

import numpy as np
import pytest
from helpers import show
from update_oracles import ORACLES, UPDATE_SETTINGS

import bpfree as bf
from bpfree.engines import ReferenceEngine
from bpfree.trainer import Trainer
from bpfree.updates import UPDATES
from bpfree.updates.table import Update

GRADIENTS = np.random.default_rng(0).normal(size=(30, 7))
START = np.random.default_rng(1).normal(size=7)


def run(update, gradients=GRADIENTS, start=START):
    theta, state = start.copy(), update.init(start)
    for step, gradient in enumerate(gradients):
        theta, state = update.update(gradient, state, theta, step)
    return theta


def test_every_update_has_an_oracle():
    """Those that look at records, or make gradients of several, have files of their own."""
    assert set(ORACLES) == {row.name for row in UPDATES if not row.settings.sees_record}


@pytest.mark.parametrize("settings", [u for name in ORACLES for u in UPDATE_SETTINGS[name]], ids=show)
def test_all_steps_are_the_closed_form(settings):
    gradients = GRADIENTS.copy()
    gradients[3, 2] = 0.0
    expected = ORACLES[UPDATES.of(settings).name](settings, gradients, START.copy())
    np.testing.assert_allclose(run(settings, gradients), expected, rtol=1e-6 if settings.schedule else 1e-10)


def test_momentum_without_memory_is_sgd():
    np.testing.assert_array_equal(run(bf.Momentum(0.3, beta=0.0)), run(bf.SGD(0.3)))


def test_weight_decay_before_the_step_is_an_l2_penalty():
    """The gradient of rate/2 |theta|^2 is rate theta: SGD on it shrinks theta by (1 - lr rate) a step."""
    theta = run(bf.chain(bf.WeightDecay(0.2), bf.SGD(0.1)), np.zeros((30, 7)))
    np.testing.assert_allclose(theta, START * (1 - 0.1 * 0.2) ** 30, rtol=1e-12)


def test_weight_decay_behind_the_step_is_apart_from_the_gradient():
    """AdamW: however large the gradients, theta is pulled by rate theta."""
    adam, decay = bf.Adam(0.05), 0.01
    chained, state = START.copy(), bf.chain(adam, bf.WeightDecay(decay)).init(START)
    apart, own = START.copy(), adam.init(START)
    for step, gradient in enumerate(GRADIENTS):
        chained, state = bf.chain(adam, bf.WeightDecay(decay)).update(gradient, state, chained, step)
        moved, own = adam.update(gradient, own, apart, step)
        apart = moved - decay * apart
    np.testing.assert_allclose(chained, apart, rtol=1e-12)


def test_chains_of_chains_are_flat():
    inner = bf.chain(bf.WeightDecay(0.1), bf.SGD(0.5))
    assert bf.chain(inner, bf.SGD(0.5)).links == (bf.WeightDecay(0.1), bf.SGD(0.5), bf.SGD(0.5))


def test_arguments_are_left_alone():
    update = bf.chain(bf.WeightDecay(0.1), bf.Adam(0.1), bf.Momentum(0.1))
    theta, gradient, state = START.copy(), GRADIENTS[0].copy(), update.init(START)
    update.update(gradient, state, theta, 0)
    np.testing.assert_array_equal(theta, START)
    np.testing.assert_array_equal(gradient, GRADIENTS[0])
    for part, fresh in zip(state, update.init(START), strict=True):
        np.testing.assert_array_equal(part, fresh)


def test_clip_cuts_coefficients_and_keeps_directions():
    model = bf.Sequential(3, [bf.Linear(2)], seed=0)
    records = np.array([[4.0, -0.25, -9.0]], np.float32)

    def gradient(update, record):
        trainer = Trainer(model.graph, model.frozen, "mse", bf.RGE(n_queries=3), update, batch_size=1)
        return trainer.gradient(5, record)

    clipped = gradient(bf.chain(bf.clip(0.5), bf.SGD(0.1)), records)
    np.testing.assert_array_equal(clipped, gradient(bf.SGD(0.1), np.array([[0.5, -0.25, -0.5]], np.float32)))
    assert not np.array_equal(clipped, gradient(bf.SGD(0.1), records))


def test_one_outlier_cannot_throw_theta_away():
    model = bf.Sequential(3, [bf.Linear(2)], seed=0)
    update = bf.chain(bf.clip(1.0), bf.SGD(0.1))
    trainer = Trainer(model.graph, model.frozen, "mse", bf.RGE(), update, batch_size=1)
    theta, _ = ReferenceEngine(exact=True).apply(trainer, model.theta, [], 0, np.array([[1e30]], np.float32))
    np.testing.assert_allclose(np.abs(theta - model.theta), 0.1, rtol=1e-5)


BAD = [
    (lambda: bf.chain(), "chain: expected updates such as SGD"),
    (lambda: bf.chain(0.1), "chain: expected updates such as SGD"),
    (lambda: bf.chain(bf.clip(1.0)), "chain: expected updates"),
    (lambda: bf.chain(bf.SGD(), bf.clip(1.0)), "clip cuts coefficients, so it is the first"),
    (lambda: bf.chain(bf.SGD(), bf.chain(bf.clip(1.0), bf.SGD())), "clip of an inner chain"),
    (lambda: bf.clip(0), "limit: expected a finite number > 0, got 0"),
    (lambda: bf.Momentum(beta=1.0), r"beta: expected a number in \[0, 1\), got 1.0"),
    (lambda: bf.Momentum(lr=-1), "lr: expected a finite number > 0, got -1"),
    (lambda: bf.Adam(beta2=-0.1), r"beta2: expected a number in \[0, 1\)"),
    (lambda: bf.Adam(beta1="a"), "beta1: expected a number, got 'a'"),
    (lambda: bf.Adam(epsilon=0), "epsilon: expected a finite number > 0"),
    (lambda: bf.SignSGD(lr=None), "lr: expected a number > 0, got None"),
    (lambda: bf.WeightDecay(0), "rate: expected a finite number > 0"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_wrong_use_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_a_chain_is_no_link():
    with pytest.raises(NotImplementedError, match="^update: expected Chain to define transform"):
        Update.transform(bf.chain(bf.SGD()), GRADIENTS[0], [], START)
