"""The training loop around the estimator: what it leaves untouched, how it stops, what it counts."""

import random

import numpy as np
import pytest
from helpers import assert_same_bits, floats, make_engine

import bpfree as bf
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.trainer import Trainer

X, Y = floats(0, 40, 5), np.arange(40) % 3


def model(seed=0):
    return bf.Sequential(5, [bf.Linear(7), bf.ReLU(), bf.Linear(3)], seed=seed)


def quick(**changed):
    """train() with small settings."""
    settings = {
        "max_steps": 5,
        "batch_size": 10,
        "engine": "exact",
        "update": bf.SGD(0.01),
        "estimator": bf.RGE(2),
    }
    return bf.train(changed.pop("model", model()), changed.pop("data", (X, Y)), **{**settings, **changed})


@pytest.mark.parametrize("engine", ["exact", "compiled", "reference"])
def test_no_global_generator_is_touched(engine):
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    quick(engine=engine)
    assert random.getstate() == states[0]
    after = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(after, states[1]))


@pytest.mark.parametrize("two_sided", [True, False])
def test_theta_is_never_written(strict_engine, two_sided):
    """Read-only arrays everywhere: a probe that moved theta, and moved it back, would raise or be seen."""
    net = model()
    trainer = Trainer(net.graph, net.frozen, "cross_entropy", bf.RGE(3, two_sided=two_sided), bf.SGD(), 10)
    before = net.theta.copy()
    net.theta.setflags(write=False)
    batch = Batch(X[:10], labels=Y[:10].astype(np.uint32))
    estimate = trainer.estimate(strict_engine, net.theta, batch, 0)
    values = estimate.losses
    assert_same_bits(net.theta, before)
    after, _ = strict_engine.apply(trainer, net.theta, [], 0, estimate.coefficients)
    assert_same_bits(net.theta, before)
    assert not np.array_equal(after, before)
    # ... and an evaluation at theta itself gives the same losses before and after
    again = trainer.estimate(strict_engine, net.theta, batch, 0)
    same = again.losses
    assert_same_bits(same, values)


@pytest.mark.parametrize("engine", ["exact", "compiled", "reference"])
@pytest.mark.parametrize("two_sided", [True, False])
def test_a_loss_that_is_not_finite_never_updates(engine, two_sided):
    net = model()
    net.theta[net.graph.slices[2].range] = 3e38  # the last layer's weights: scores overflow
    with np.errstate(all="ignore"):
        run = quick(model=net, engine=engine, estimator=bf.RGE(2, two_sided=two_sided))
    assert "step 0" in run.outcome and "not finite" in run.outcome and "or try a smaller mu; " in run.outcome
    assert_same_bits(run.model.theta, net.theta)
    assert run.losses == [] and len(run.journal) == 0
    assert "no steps" in run.summary() and run.outcome in run.summary()


def test_divergence_keeps_the_last_good_parameters():
    with np.errstate(all="ignore"):
        run = quick(data=(X, X[:, :3]), loss="mse", update=bf.SGD(1e12), max_steps=50)
    stopped = len(run.losses)
    assert 0 < stopped < 50 and f"step {stopped}:" in run.outcome
    assert np.isfinite(run.losses).all() and len(run.journal) == stopped
    assert_same_bits(
        bf.replay(run.journal, run.trainer, model().theta, make_engine("exact")), run.model.theta
    )


@pytest.mark.parametrize(("two_sided", "per_step"), [(True, 8), (False, 5)])
def test_cost_is_counted(two_sided, per_step):
    run = quick(estimator=bf.RGE(4, two_sided=two_sided), max_steps=3)
    assert run.evaluations == 3 * per_step
    assert run.forwards == 3 * per_step * 10
    assert run.macs == run.forwards * (5 * 7 + 7 * 3)
    assert f"forwards {run.forwards:,}" in run.summary() and run.model.hash in run.summary()


def test_epochs_are_steps():
    run, same = quick(max_steps=None, epochs=2), quick(max_steps=8)
    assert len(run.losses) == 8 and run.model.hash == same.model.hash
    assert (
        len(quick(max_steps=None, epochs=1, batch_size=15).losses) == 2
    )  # what is left over waits for the next shuffle


def test_losses_are_means_over_the_probes():
    run = quick(max_steps=1, estimator=bf.RGE(1))
    net, trainer = model(), run.trainer
    batch = Batch(X, Y.astype(np.uint32)).take(trainer.indices(0, 40))
    estimate = trainer.estimate(make_engine("exact"), net.theta, batch, 0)
    assert run.losses == [estimate.loss]


def test_callback_and_validation():
    seen = []
    run = quick(
        max_steps=9,
        callbacks=lambda step, run: seen.append((step, len(run.losses))) if step < 6 else False,
        validation=(X, Y),
        validate_every=3,
    )
    assert seen == [(k, k + 1) for k in range(6)]
    assert run.outcome == "stopped by the callback after step 6" and len(run.losses) == 7
    assert [step for step, _ in run.validation] == [3, 6, 7]  # and at the end
    assert all(0 <= accuracy <= 1 for _, accuracy in run.validation)
    assert [step for step, _ in quick(max_steps=4, validation=(X, Y), validate_every=3).validation] == [3, 4]


def test_the_default_engine_is_the_compiled_one():
    from bpfree.engines import CompiledEngine, get_engine

    assert isinstance(get_engine(None), CompiledEngine)
    assert isinstance(get_engine("reference"), ReferenceEngine)
    engine = ReferenceEngine()
    assert get_engine(engine) is engine


def test_without_the_core_the_reference_trains(monkeypatch):
    from bpfree import native
    from bpfree.native import loading

    def missing():
        raise bf.errors.CoreMissingError("not there")

    monkeypatch.setattr(loading, "core", missing)
    assert not native.available()
    assert quick(engine=None).outcome == "done"


def test_float64_reference_estimates_in_float64():
    net = model()
    trainer = Trainer(net.graph, net.frozen, "cross_entropy", bf.RGE(2), bf.SGD(), 10)
    batch = Batch(X[:10], labels=Y[:10].astype(np.uint32))
    estimate = trainer.estimate(ReferenceEngine(dtype=np.float64), net.theta, batch, 0)
    assert estimate.coefficients.dtype == estimate.losses.dtype == np.float64
    narrow = trainer.estimate(make_engine("exact"), net.theta, batch, 0)
    assert np.allclose(estimate.coefficients, narrow.coefficients, rtol=1e-3, atol=1e-4)
    assert not np.array_equal(estimate.coefficients, narrow.coefficients)


@pytest.mark.parametrize("engine", ["reference", "exact", "compiled"])
def test_divergence_is_an_outcome_not_a_warning(engine):
    """Warnings are errors in this suite: a learning rate of 1e30 must end the run with advice, in every engine."""
    x, y = np.ones((8, 3), np.float32), np.ones((8, 2), np.float32)
    run = bf.train(
        bf.Sequential(3, [bf.Linear(4), bf.Linear(2)]), (x, y), loss="mse", update=bf.SGD(1e30), batch_size=4,
        max_steps=50, engine=engine,
    )  # fmt: skip
    assert ("not finite" in run.outcome or "overflows" in run.outcome) and "smaller lr" in run.outcome
    assert len(run.losses) == len(run.journal) < 50
    assert np.isfinite(run.model.theta).all(), "the last finite parameters are kept"


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_probes_below_float_resolution_are_an_outcome_with_advice(engine):
    run = bf.train(model(), (X, Y), estimator=bf.RGE(mu=1e-30), batch_size=8, max_steps=100, engine=engine)
    assert "no probe changed the loss" in run.outcome and "larger mu" in run.outcome
    assert len(run.losses) < 100


def test_validation_is_checked_before_the_first_step_and_measures_what_the_loss_allows():
    steps = []
    targets = floats(1, 40, 2)
    net = bf.Sequential(5, [bf.Linear(2)], seed=1)
    common = {"loss": "mse", "max_steps": 4, "batch_size": 8, "callbacks": lambda step, run: steps.append(step)}
    with pytest.raises(ValueError, match="y: expected real numbers of shape"):
        bf.train(net, (X, targets), validation=(X, targets[:, :1]), **common)
    assert steps == []
    run = bf.train(net, (X, targets), validation=(X, targets), validate_every=2, **common)
    assert run.metric == "loss" and [step for step, _ in run.validation] == [2, 4]
    expected = np.mean((run.model.predict(X).astype(float) - targets) ** 2)
    assert abs(run.validation[-1][1] - expected) < 1e-5 * expected
    assert "validation loss" in run.summary() and "after step 4" in run.summary()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_training_data_must_be_finite(bad):
    x = X.astype(float).copy()
    x[3, 1] = bad
    with pytest.raises(ValueError, match="x: expected finite float32 numbers, got others in 1 rows, first 3"):
        bf.train(model(), (x, Y), max_steps=1, batch_size=8)
    y = floats(1, 40, 3).astype(float)
    y[5, 0] = bad
    with pytest.raises(ValueError, match="y: expected finite float32 numbers, got others in 1 rows, first 5"):
        bf.train(model(), (X, y), loss="mse", max_steps=1, batch_size=8)


def test_a_start_that_is_not_finite_is_refused():
    net = model()
    net.theta[3] = np.nan
    with pytest.raises(ValueError, match="model: expected finite parameters"):
        bf.train(net, (X, Y), max_steps=1, batch_size=8)


def test_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="model: expected trainable parameters, got none"):
        bf.train(bf.Sequential(5, [bf.ReLU()]), (X, Y), max_steps=1, batch_size=8)


def test_float64_evaluation_keeps_float32_parameters():
    run = bf.train(model(), (X, Y), max_steps=5, batch_size=8, engine=ReferenceEngine(dtype=np.float64))
    assert run.model.theta.dtype == np.float32
    assert_same_bits(bf.replay(run.journal, run.trainer, model().theta, "compiled"), run.model.theta)


@pytest.mark.parametrize(("wrong", "message"), [({"update": 0}, "got 0"), ({"estimator": []}, r"got \[\]")])
def test_falsy_is_not_default(wrong, message):
    with pytest.raises(TypeError, match=message):
        bf.train(model(), (X, Y), max_steps=1, batch_size=8, **wrong)


def test_an_engine_class_is_not_an_engine():
    with pytest.raises(TypeError, match=r"ReferenceEngine\(\), got the class"):
        bf.train(model(), (X, Y), max_steps=1, batch_size=8, engine=ReferenceEngine)
