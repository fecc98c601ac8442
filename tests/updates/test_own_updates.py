"""What an update of one's own is given, and what it may give back."""

from dataclasses import dataclass

import numpy as np
import pytest
from helpers import floats

import bpfree as bf

X, Y = floats(1, 40, 3), floats(2, 40, 2)
MODEL = bf.Sequential(3, [bf.Linear(6), bf.ReLU(), bf.Linear(2)], seed=1)


def trained(update, **settings):
    return bf.train(MODEL, (X, Y), loss="mse", update=update, engine="reference", batch_size=8, max_steps=3, **settings)


def mine(transform, **members):
    """An update of one's own with one vector of state."""
    members = {"transform": transform, "n_vectors": 1, **members}
    return dataclass(frozen=True)(type("Mine", (bf.Update,), members))()


@pytest.mark.parametrize("change", [
    lambda gradient, velocity, theta: np.add(velocity, gradient, out=velocity),
    lambda gradient, velocity, theta: np.multiply(theta, theta.dtype.type(0.5), out=theta),
    lambda gradient, velocity, theta: np.multiply(gradient, gradient.dtype.type(0.5), out=gradient),
], ids=["state", "theta", "gradient"])  # fmt: skip
def test_what_it_is_given_is_read_only(change):
    """Else an interrupted step would leave the run's last whole step half changed, and a replay the caller's theta."""

    def transform(self, gradient, state, theta):
        change(gradient, state[0], theta)
        return gradient, state

    before = MODEL.theta.copy()
    with pytest.raises(ValueError, match="read-only"):
        trained(mine(transform))
    np.testing.assert_array_equal(MODEL.theta, before)


def test_looking_at_the_record_changes_no_state_in_place():
    def look(self, state, step, record):
        state[0] += 1
        return state

    update = mine(lambda self, gradient, state, theta: (gradient, state), look=look)
    with pytest.raises(ValueError, match="read-only"):
        trained(update)
    theta, state, gradient = floats(3, 5), [floats(4, 5)], floats(5, 5)
    bf.Momentum(0.1).update(gradient, state, theta, 0)
    assert theta.flags.writeable and state[0].flags.writeable and gradient.flags.writeable


def test_a_schedule_multiplies_what_it_steps_by():
    def transform(self, gradient, state, theta):
        return theta.dtype.type(self.start_lr) * gradient, state

    lr = bf.cosine_decay(0.1, 20)
    scheduled = mine(transform, lr=lr)
    assert scheduled.start_lr == 0.1 and mine(transform, lr=0.3).start_lr == 0.3
    assert trained(scheduled).model.hash == trained(bf.SGD(lr)).model.hash
    reads_lr = mine(lambda self, gradient, state, theta: (theta.dtype.type(self.lr) * gradient, state), lr=lr)
    with pytest.raises(TypeError) as raised:
        trained(reads_lr)
    assert raised.value.__notes__ == ["lr is a schedule: self.start_lr is the number to step by in transform"]


@pytest.mark.parametrize(("give", "got"), [
    (lambda g, v: None, "a pair (step, [arrays of state]), got NoneType"),
    (lambda g, v: g, "a pair (step, [arrays of state]), got ndarray"),
    (lambda g, v: (g, v), "a pair (step, [arrays of state]), got (ndarray, ndarray)"),
    (lambda g, v: (g, None), "a pair (step, [arrays of state]), got (ndarray, NoneType)"),
    (lambda g, v: (g, [v[:2]]), "a step of (38,) and 1 arrays of state of [(38,)], got (38,) and 1 of [(2,)]"),
    (lambda g, v: (1j * g, [v]), "real numbers, got complex ones"),
    (lambda g, v: (g, [0.5]), "a step of (38,) and 1 arrays of state of [(38,)], got (38,) and 1 of [()]"),
    (lambda g, v: (g[:1], [v]), "a step of (38,) and 1 arrays of state of [(38,)], got (1,) and 1 of [(38,)]"),
])  # fmt: skip
def test_what_is_no_step_with_its_state_is_named(give, got):
    with pytest.raises((TypeError, ValueError)) as raised:
        trained(mine(lambda self, gradient, state, theta: give(gradient, *state)))
    assert str(raised.value).startswith("update: expected transform of '") and str(raised.value).endswith(got)
