"""An update that overflows is not made: the same decision in C, as a device steps, and in Python; firmware's limit."""

from dataclasses import dataclass, replace

import helpers
import numpy as np
import pytest
from helpers import assert_same_bits, device_loop, floats

import bpfree as bf
from bpfree import native
from bpfree.estimators.step import make_step
from bpfree.updates.coefficient_limit import coefficient_limit

MODEL = bf.Sequential(6, [bf.Linear(25), bf.ReLU(), bf.Linear(3)])
X, Y = floats(0, 8, 6), np.arange(8, dtype=np.uint32) % 3
HUGE = 3e38
RGES = [bf.RGE(), bf.RGE(3, grouping="layer"), bf.RGE(2, direction="gaussian"), bf.RGE(2, direction="hadamard")]
OTHERS = [bf.CGE(0.1), bf.CGE(0.9), bf.Hybrid(20), bf.UnitWise()]
STALE = bf.CGE(0.4, order="cyclic")
CASES = [
    *((estimator, bf.SGD(1e38)) for estimator in [*RGES, bf.RGE(2, direction="sphere"), *OTHERS]),
    *((estimator, bf.WindowMomentum(1e38, window=3)) for estimator in RGES),
    (bf.RGE(2), bf.chain(bf.clip(0.5), bf.WindowMomentum(1e38, window=2))),
    *((estimator, bf.Momentum(1e38)) for estimator in (bf.RGE(), bf.CGE(0.1), bf.UnitWise())),
    (bf.RGE(), bf.SignSGD(1.5e38)),
    (bf.RGE(2), bf.Adam(1.5e38)),
    (bf.RGE(2), bf.chain(bf.WeightDecay(3.0), bf.SGD(1e38))),
    (bf.RGE(2), bf.chain(bf.WeightDecay(1e37), bf.SGD(1.0))),
    (bf.RGE(2), bf.chain(bf.Momentum(1.0), bf.WeightDecay(2.0), bf.SGD(1e37))),
    (bf.RGE(4), bf.chain(bf.Normalize(), bf.SGD(2e38))),
    (bf.RGE(2), bf.SGD(bf.linear_decay(HUGE, steps=9))),
    (STALE, bf.chain(bf.Stale(), bf.SGD(1e38))),
    (STALE, bf.chain(bf.clip(0.2), bf.Stale(0.5), bf.Momentum(1.0), bf.SGD(1e38))),
]


def of(estimator, update, model=MODEL):
    return bf.Trainer(model.graph, model.frozen, "cross_entropy", estimator, update, batch_size=4, seed=5)


class InC:
    """`bpfree_apply`, as a device calls it, and `bpfree_skip`."""

    def __init__(self, trainer, theta, limit=0.0):
        self.loop, self.core = device_loop(trainer, X, Y), native.core()
        self.loop.theta[:] = theta
        self.loop.c.coefficient_limit = limit

    def apply(self, record):
        given = self.core.ffi.from_buffer("float[]", np.ascontiguousarray(record))
        return self.core.lib.bpfree_apply(self.loop.c, self.loop.context, given)

    def skip(self):
        assert self.core.lib.bpfree_skip(self.loop.c, self.loop.context) == 0

    def check(self, theta, state, step):
        assert self.loop.context.step == step
        assert_same_bits(self.loop.theta, theta)
        assert_same_bits(self.loop.state, np.concatenate([np.zeros(0, "f4"), *state]))


def decisions(trainer, records, theta=MODEL.theta, engine="exact", limit=0.0):
    """Of every record: was it made? In C and in Python, theta and state bit for bit; what is not made is skipped."""
    state, engine, device, made = trainer.initial_state(theta), helpers.make_engine(engine), None, []
    device = InC(trainer, theta, limit)
    for step, record in enumerate(records):
        estimate = bf.Estimate(record, losses=np.ones((1, 4)), forwards=4)
        outcome = make_step(estimate, lambda *a: engine.apply(trainer, *a), theta, state, step)
        assert device.apply(record) == (-9 if outcome.failure else 0)
        theta, state = outcome.theta, outcome.state
        device.check(theta, state, step + (not outcome.failure))
        if outcome.failure:
            assert outcome.failure.code == "overflow" and "smaller lr" in outcome.failure.text
            device.skip()
            state = trainer.skip(state, step)
            device.check(theta, state, step + 1)
        made.append(not outcome.failure)
    return made


@pytest.mark.parametrize("engine", ["exact", f"compiled-{helpers.ISAS[-1]}"])
@pytest.mark.parametrize(("estimator", "update"), CASES, ids=helpers.show)
def test_steps_that_overflow_are_not_made(estimator, update, engine):
    trainer = of(estimator, update)
    records = [floats(step, *trainer.record_shape, scale=0.01 * 2.0**step) for step in range(12)]
    made = decisions(trainer, records, engine=engine)
    assert any(made) and not all(made), "the case is about both"


@pytest.mark.parametrize("update", [*helpers.CHAINS, bf.SGD(0.1), bf.Adam(0.1), bf.SignSGD(1.0)], ids=helpers.show)
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e15, 1e25, 3e38])
def test_coefficients_of_every_size(size, update):
    estimator = helpers.probing(update, bf.RGE(2))
    trainer = of(estimator, update)
    records = [floats(step, *trainer.record_shape).clip(-1, 1) * np.float32(size) for step in range(8)]
    made = decisions(trainer, records)
    assert all(made) or size > 1e6


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_record_that_is_not_finite_is_no_step(bad):
    trainer = of(bf.RGE(3), bf.chain(bf.clip(1.0), bf.SignSGD(0.1)))
    device = InC(trainer, MODEL.theta)
    assert device.apply(np.array([[0.5, bad, 1.0]], "f4")) == -9
    device.check(MODEL.theta, trainer.initial_state(MODEL.theta), 0)


def test_a_state_that_is_not_finite_is_an_overflow():
    """Adam with v at infinity would stand still for ever, without a word."""
    assert decisions(of(bf.RGE(), bf.Adam(0.1)), [np.full((1, 1), 1e25, "f4")]) == [False]


@pytest.mark.parametrize(("estimator", "update"), CASES, ids=helpers.show)
def test_below_firmwares_limit_no_step_overflows(estimator, update):
    """The limit that replaces the try there: with records just below it, however they are drawn, every step is made."""
    tame = of(estimator, tamed(update))
    limit = coefficient_limit(tame, MODEL.theta)
    assert (limit > 1e38) == bool(update.clip), "coefficients that are cut may be of any size"
    if not limit:
        assert any(isinstance(link, bf.WeightDecay) for link in update.links)
        return
    below = np.nextafter(np.float32(limit), np.float32(0))
    same = np.full(tame.record_shape, below)
    signs = [np.sign(floats(step, *tame.record_shape)) * below for step in range(10)]
    assert all(decisions(tame, [same] * 10)) and all(decisions(tame, [-same] * 10)) and all(decisions(tame, signs))


@pytest.mark.parametrize(("estimator", "update"), CASES, ids=helpers.show)
def test_beyond_firmwares_limit_a_device_decides_as_python(estimator, update):
    """Small records among large ones, too: what those left in theta and state may overflow behind them."""
    tame = of(estimator, tamed(update))
    limit = coefficient_limit(tame, MODEL.theta)
    sizes = [1.0, 1e30, 1.0, 3e38, *[1.0] * 8, 3e37, *[1.0] * 4, 3e38]
    records = [floats(step, *tame.record_shape).clip(-1, 1) * np.float32(size) for step, size in enumerate(sizes)]
    assert decisions(tame, records, limit=limit) == decisions(tame, records)


def test_a_small_step_behind_a_large_one_that_was_made_can_overflow():
    """The limit counts with a velocity that has been small: where it has not, each step is tried."""
    trainer = of(bf.UnitWise(), bf.Momentum(0.5))
    records = [np.full(trainer.record_shape, size, "f4") for size in (3.3e38, 1.0, 1.0, 1.0, 1.0)]
    made = decisions(trainer, records, limit=coefficient_limit(trainer, MODEL.theta))
    assert made[0] and made[1] and not all(made)


def test_an_update_that_does_not_say_how_large_its_numbers_get_has_no_limit():
    """One of your own, or a subclass that computes something else than what it inherits `largest` from."""

    @dataclass(frozen=True)
    class Root(bf.Update):
        def transform(self, gradient, state, theta):
            return np.sign(gradient) * np.sqrt(abs(gradient)), state

    @dataclass(frozen=True)
    class Square(bf.SGD):
        def transform(self, gradient, state, theta):
            return gradient * gradient, state

    @dataclass(frozen=True)
    class Bounded(Root):
        def largest(self, size, limit, n_record):
            return max(size, 1.0)

    def limit_of(*links):
        return coefficient_limit(of(bf.RGE(), bf.chain(*links)), MODEL.theta)

    assert limit_of(Root()) == limit_of(Square()) == limit_of(bf.clip(1.0), Square(), bf.SignSGD(0.1)) == 0
    assert 0 < limit_of(Bounded()) == limit_of(Bounded(), bf.SGD(0.1)) == limit_of(bf.SGD(0.1))


def tamed(update):
    """The same links with a usual lr."""
    links = [replace(link, lr=0.5) if "lr" in link.__dataclass_fields__ else link for link in update.links]
    links = [replace(link, rate=0.1) if isinstance(link, bf.WeightDecay) else link for link in links]
    return bf.chain(*([bf.clip(update.clip)] if update.clip else []), *links)


def test_what_replays_refuses_what_no_run_made(tmp_path):
    run = bf.train(MODEL, (X, Y), estimator=bf.RGE(), update=bf.SGD(1e30), batch_size=4, max_steps=1, engine="exact")
    run.journal.append(np.full((1, 1), 3e38, "f4"))
    run.journal.write(tmp_path / "run.journal")
    for engine in helpers.ENGINES:
        with pytest.raises(bf.errors.NumericError, match="^step 1: the update overflows"):
            bf.replay(tmp_path / "run.journal", MODEL, engine=helpers.make_engine(engine))
