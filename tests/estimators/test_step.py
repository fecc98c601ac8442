"""One step, wherever it is made: the same outcomes and advice in training, ask and tell, sklearn and PDEs."""

import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, floats, make_engine

import bpfree as bf
from bpfree.estimators.estimate import Estimate
from bpfree.estimators.step import FAILURES, QUIET_STEPS, SKIPPABLE, make_step, nonfinite, standstill, steps_allowed

X, Y = floats(1, 12, 3), np.arange(12) % 2
MODEL = bf.Sequential(3, [bf.Linear(2)], seed=1)


def estimate(*coefficients, dtype=np.float64):
    return Estimate(np.array([coefficients], dtype), np.zeros((2, 3)), 6)


def adding(theta, state, step, record):
    """An update whose step is the record."""
    return theta + record[0], [*state, step]


def test_a_step_is_made_of_an_estimate():
    theta = np.zeros(2, np.float32)
    made = make_step(estimate(0.1, 2.0), adding, theta, [7], step=4, quiet=3)
    assert made.record.dtype == np.float32 and made.record.tolist() == [[np.float32(0.1), 2.0]]
    assert made.theta.tolist() == made.record[0].tolist() and made.state == [7, 4] and not theta.any()
    assert made.quiet == 0 and made.failure is None


def test_a_record_of_zeros_is_a_quiet_step():
    made = make_step(estimate(0.0, -0.0), adding, np.ones(2), [], step=0, quiet=3)
    assert made.quiet == 4 and made.failure is None and made.record is not None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_moves_nothing(bad):
    theta, state = np.ones(2), [1]
    made = make_step(estimate(1.0, bad), lambda *given: 1 / 0, theta, state, step=5, quiet=2)
    assert made.theta is theta and made.state is state and made.record is None and made.quiet == 2
    assert made.failure == nonfinite(5) and made.failure.code == "nonfinite_loss"
    assert made.failure.text == "step 5: a loss is not finite; nothing was updated: try a smaller lr or mu"


def test_an_update_that_overflows_is_not_made():
    theta = np.full(2, 3e38, np.float32)
    with np.errstate(over="ignore"):
        made = make_step(estimate(1e38, 0.0), adding, theta, [], step=5)
    assert made.theta is theta and made.record is None and made.failure.code == "overflow"
    assert made.failure.text.startswith("step 5: the update overflows; it was not made: try a smaller lr")
    beyond = make_step(estimate(1e300, 0.0), adding, np.zeros(2, np.float32), [], step=5)
    assert beyond.failure.code == "overflow", "a coefficient that theta's precision has no room for"


def test_standing_still_is_noticed_after_some_steps():
    assert standstill(30, QUIET_STEPS - 1) is None
    code, text = standstill(30, QUIET_STEPS)
    assert code == "mu_too_small" and text == (
        f"step 29: no probe changed the loss for {QUIET_STEPS} steps: try a larger mu, unless this is a minimum"
    )
    assert set(SKIPPABLE) < set(FAILURES) == {*SKIPPABLE, "mu_too_small", "diverged"}


# The same failure, met in five places.

HUGE = bf.chain(*[bf.SGD(3e38)] * 9)
"""A step that no float64 number can hold."""


def in_train():
    return bf.train(MODEL, (X, Y), update=HUGE, batch_size=4, max_steps=20, engine="reference").outcome


def in_ask_and_tell():
    ask = bf.RGE(2).start(np.ones(3), update=HUGE, max_steps=20)
    for points in ask:
        ask.tell(points.sum(axis=1))
    return ask.outcome


def in_minimize():
    return bf.minimize(np.sum, np.ones(3), update=HUGE, max_steps=20)[1].outcome


def in_sklearn():
    pytest.importorskip("sklearn", reason='scikit-learn missing: pip install "bpfree[sklearn]"')
    with pytest.warns(UserWarning, match="partial_fit stopped at step 0: ") as seen:
        bf.sklearn.Classifier(update=HUGE).partial_fit(X, Y, classes=[0, 1])
    return str(seen[0].message).partition("stopped at ")[2]


def in_a_pde(method=None):
    method = bf.FirstOrder(update=HUGE) if method is None else method
    return bf.pde.solve(bf.pde.Poisson(dim=1), method=method, points=16, max_steps=3).outcome


def by_the_gradient():
    return in_a_pde(bf.StructuredGradient(HUGE))


@pytest.mark.parametrize("place", [in_train, in_ask_and_tell, in_minimize, in_sklearn, in_a_pde, by_the_gradient])
def test_advice_is_the_same_everywhere(place):
    assert place() == "step 0: the update overflows; it was not made: try a smaller lr, or clip"


def test_a_run_that_stands_still_ends_in_the_same_words():
    ask = bf.RGE(2).start(np.zeros(3), max_steps=30)
    for points in ask:
        ask.tell(np.ones(len(points)))
    _, history = bf.minimize(lambda theta: 1.0, np.zeros(3), max_steps=30)
    run = bf.train(MODEL, (X, Y), estimator=bf.RGE(2, mu=1e-30), batch_size=4, max_steps=30)
    expected = standstill(QUIET_STEPS, QUIET_STEPS)
    assert all((one.outcome_code, one.outcome) == expected for one in (ask, history, run))


@pytest.mark.parametrize("update", [bf.Adam(0.05), bf.chain(bf.clip(0.1), bf.Normalize(), bf.SGD(0.1))], ids=repr)
@pytest.mark.parametrize("name", ENGINES)
def test_training_sklearn_style_and_ask_and_tell_walk_the_same_way(name, update):
    """A Trainer's own step, by any engine, is the step of train: record, theta and state."""
    engine, steps = make_engine(name), []
    run = bf.train(
        MODEL, (X, Y), estimator=bf.RGE(3), update=update, batch_size=4, max_steps=5, engine=engine,
        callbacks=lambda step, run: steps.append((run.coefficients, run.model.theta, run.state)),
    )  # fmt: skip
    trainer, theta = run.trainer, MODEL.theta
    state = trainer.initial_state(theta)
    batch = bf.engines.batch.make_batch(MODEL.graph, trainer.loss, X, Y)
    for step, (record, moved, kept) in enumerate(steps):
        samples = batch.take(trainer.indices(step, len(X)))
        found = trainer.estimate(engine, theta, samples, step)
        made = make_step(found, lambda *given: engine.apply(trainer, *given), theta, state, step)
        theta, state = made.theta, made.state
        for ours, theirs in ((made.record, record), (theta, moved), *zip(state, kept, strict=True)):
            assert_same_bits(ours, theirs)


@pytest.mark.parametrize(
    ("max_steps", "max_evaluations", "allowed"),
    [(None, None, float("inf")), (7, None, 7), (None, 33, 4), (7, 33, 4), (3, 33, 3), (7, 0.5, 0)],
)
def test_the_steps_that_budgets_allow(max_steps, max_evaluations, allowed):
    assert steps_allowed(8, max_steps, max_evaluations) == allowed
