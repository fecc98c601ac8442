# SPDX-License-Identifier: MIT
"""Updates whose record is a whole gradient, longer than what is updated at a time: the bits of the reference."""

import numpy as np
import pytest
from helpers import CHAINS, ENGINES, assert_same_bits, fits, floats, make_engine, show
from update_oracles import UPDATE_SETTINGS

import bpfree as bf
from bpfree.errors import NumericError
from bpfree.trainer import Trainer

MODEL = bf.Sequential(99, [bf.Linear(100)])  # 10,000 parameters: two chunks of 4,096 and a rest
UPDATES = [u for u in [*sum(UPDATE_SETTINGS.values(), []), *CHAINS] if fits(bf.UnitWise(), u)]
ESTIMATORS = [bf.UnitWise(), bf.NodePerturbation()]  # one that C has, and one that it is given the gradient of


def start(estimator, update):
    trainer = Trainer(MODEL.graph, MODEL.frozen, "mse", estimator, update, batch_size=4, seed=1)
    return trainer, MODEL.theta, trainer.initial_state(MODEL.theta)


@pytest.mark.parametrize("engine", ENGINES[1:])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=show)
@pytest.mark.parametrize("update", UPDATES, ids=show)
def test_steps_have_the_references_bits(update, estimator, engine):
    compiled, exact = make_engine(engine), make_engine("exact")
    trainer, theta, state = start(estimator, update)
    for step in range(3):
        record = floats(step, 1, theta.size)
        before = [part.copy() for part in (theta, record, *state)]
        got, parts = compiled.apply(trainer, theta, state, step, record)
        for part, kept in zip((theta, record, *state), before, strict=True):
            assert_same_bits(part, kept)
        theta, state = exact.apply(trainer, theta, state, step, record)
        assert_same_bits(got, theta)
        for part, expected in zip(parts, state, strict=True):
            assert_same_bits(part, expected)


@pytest.mark.parametrize("place", [0, 4095, 4096, 9999])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_refused(place, bad):
    trainer, theta, state = start(bf.UnitWise(), bf.chain(bf.clip(1.0), bf.SignSGD(0.1)))
    record, kept = floats(3, 1, theta.size), theta.copy()
    record[0, place] = bad
    with pytest.raises(NumericError, match="step 7: a loss is not finite"):
        bf.CompiledEngine().apply(trainer, theta, state, 7, record)
    assert_same_bits(theta, kept)


def test_the_largest_numbers_are_finite():
    trainer, theta, state = start(bf.UnitWise(), bf.SGD(1e-30))
    largest = np.full((1, theta.size), np.finfo(np.float32).max)
    largest[0, ::2] *= -1
    after, _ = bf.CompiledEngine().apply(trainer, theta, state, 0, largest)
    assert np.isfinite(after).all()
    assert (after != theta).all()
