"""A sample with a NaN, or with an infinity that makes a loss NaN, is never a step: every estimator, loss and update."""

import helpers
import numpy as np
import pytest
from helpers import ESTIMATOR_SETTINGS, assert_same_bits, device_loop, floats
from update_oracles import UPDATE_SETTINGS

import bpfree as bf
from bpfree.engines.batch import Batch
from bpfree.engines.probes import AT_THETA
from bpfree.errors import NumericError
from bpfree.estimators.step import make_step

X, Y, T = floats(0, 8, 6), np.arange(8, dtype=np.uint32) % 3, floats(1, 8, 3)
MODELS = {
    "relu": bf.Sequential(6, [bf.Linear(5), bf.ReLU(), bf.Linear(3)]),
    "deep": bf.Sequential(6, [bf.Linear(5), bf.Tanh(), bf.Linear(4), bf.Sigmoid(), bf.Linear(3)]),
    "frozen head": bf.Sequential(6, [bf.Linear(5), bf.ReLU(), bf.Linear(3)]).freeze("linear3.*"),
    "biases": bf.Sequential(6, [bf.Linear(5), bf.ReLU(), bf.Linear(3)]).freeze("*.weight"),
}
ESTIMATORS = [one for settings in ESTIMATOR_SETTINGS.values() for one in settings]
STEP = 3
EXACT = helpers.make_engine("exact")


def spoilt():
    """(inputs, targets) with one bad sample of eight."""
    for bad in (np.nan, np.inf):
        for place in ((2, 1), 2):
            x, t = X.copy(), T.copy()
            x[place] = t[place] = bad
            yield x, T
            yield X, t


def trainers(estimator, update):
    for model in MODELS.values():
        for loss in ("cross_entropy", "mse"):
            try:
                trainer = bf.Trainer(model.graph, model.frozen, loss, estimator, update, batch_size=8, seed=1)
            except ValueError:  # not for this network, or not with this update
                continue
            yield model, trainer


def check(model, trainer):
    """Counts the bad samples that were refused in both engines, theta and state untouched."""
    refused, on_device, labels = 0, not trainer.refusal, trainer.loss.labels
    for x, t in spoilt():
        given = {"labels": Y} if labels else {"targets": t}
        batch = Batch(x, **given)
        losses, _ = EXACT.evaluate(model.graph, model.theta, model.frozen, batch, trainer.loss, [AT_THETA])
        if not np.isnan(losses).any():
            continue
        theta, state = model.theta, trainer.initial_state(model.theta)
        with np.errstate(all="ignore"):
            estimate = trainer.estimate(EXACT, theta, batch.take(trainer.indices(STEP, 8)), STEP)
        made = make_step(estimate, lambda *a: EXACT.apply(trainer, *a), theta, state, STEP)
        assert made.failure.code == "nonfinite_loss"
        if on_device:
            loop = device_loop(trainer, x, Y if labels else None, None if labels else t)
            with pytest.raises(NumericError, match=f"step {STEP}"):
                loop.step(theta, STEP)
            assert_same_bits(loop.theta, theta)
            assert_same_bits(loop.state, np.concatenate([np.zeros(0, "f4"), *state]))
        refused += 1
    return refused


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=helpers.show)
def test_no_step_is_made_of_a_nan(estimator):
    counts = [check(*given) for given in trainers(estimator, helpers.fitting(estimator, bf.SGD(0.1)))]
    assert sum(counts) > 6


@pytest.mark.parametrize("update", [*sum(UPDATE_SETTINGS.values(), []), *helpers.CHAINS], ids=helpers.show)
def test_updates_keep_their_state(update):
    estimator = helpers.probing(update, bf.RGE(3))
    assert sum(check(*given) for given in trainers(estimator, update)) > 6
