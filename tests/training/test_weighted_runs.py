"""Training with (x, y, w): weights are scaled once, validation is weighted too, what is no weight is named."""

import numpy as np
import pytest
from helpers import assert_same_bits, floats

import bpfree as bf
from bpfree.engines import ReferenceEngine
from bpfree.trainer import Trainer

MODEL = bf.Sequential(6, [bf.Linear(5), bf.Tanh(), bf.Linear(3)], seed=2)
X, Y = floats(1, 40, 6), np.random.default_rng(0).integers(0, 3, 40)
W = np.random.default_rng(1).exponential(size=40)
SETTINGS = {"update": bf.Adam(0.02), "estimator": bf.RGE(4), "batch_size": 8, "seed": 3, "max_steps": 12}


def train(w, engine="exact", **more):
    return bf.train(MODEL, (X, Y) if w is None else (X, Y, w), engine=engine, **{**SETTINGS, **more})


def test_only_ratios_of_weights_matter():
    run = train(W)
    assert train(W * 4096).model.hash == train(W * 2.0**-60).model.hash == run.model.hash
    single = W.astype(np.float32)
    assert train(single).model.hash == train(single * np.float32(2.0**-60)).model.hash
    assert train(None).model.hash != run.model.hash
    assert train(np.full(40, 7)).model.hash == train(None).model.hash


def test_weights_may_be_of_any_size_that_float64_has():
    """They are rounded to float32 once, after the division by their mean."""
    base = np.arange(1, 41) * 6e-46
    assert train(base).model.hash == train(base * 2.0**150).model.hash
    equal = train(None).model.hash
    assert train(np.full(40, 1e-300)).model.hash == train(np.full(40, 1.7e308)).model.hash == equal


def test_a_minibatch_of_zeros_has_the_loss_0_wherever_it_comes_from():
    ends = np.arange(40) < 3
    assert 0.0 in train(ends, max_steps=5).losses

    def batches(step, rng):
        return X[:8], Y[:8], np.full(8, float(step % 2))

    run = bf.train(MODEL, batches=batches, engine="exact", update=bf.SGD(0.1), max_steps=4)
    assert run.losses[0] == run.losses[2] == 0 and run.losses[1] > run.losses[3] > 0
    with pytest.raises(ValueError, match="^batches: step 0: w: expected weights of at most 3.4e.38, as nothing"):
        bf.train(MODEL, batches=lambda step, rng: (X[:8], Y[:8], np.full(8, 1e300)), max_steps=1)


def test_the_loss_of_a_step_is_that_of_weighted_samples():
    """By hand, at the first step: mean over the minibatch of w_b / mean(w) times L_b."""
    run = train(W, "reference", estimator=bf.UnitWise(), max_steps=1)
    own = run.trainer.indices(0, 40)
    scores = MODEL.predict(X[own], "reference").astype(float)
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(8), Y[own]]
    assert run.losses[0] == pytest.approx((W[own] / W.mean() * losses).mean(), rel=1e-5)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_other_engines(engine):
    run, exact = train(W, engine), train(W)
    assert np.allclose(run.losses, exact.losses, rtol=1e-3)
    assert engine == "reference" or run.model.hash == exact.model.hash


def test_the_settings_say_so_and_the_journal_replays_without_weights(tmp_path):
    run = train(W, journal=tmp_path / "run.journal")
    assert_same_bits(bf.replay(tmp_path / "run.journal", MODEL), run.model.theta)
    assert '"weighted":true' in run.trainer.settings() and "weighted" not in train(None).trainer.settings()
    read = Trainer.from_settings(MODEL, run.journal.settings)
    assert read.weighted and read.settings() == run.trainer.settings()


def test_it_resumes_with_the_same_weights_only(tmp_path):
    files = {"checkpoint": tmp_path / "run.npz"}
    train(W, max_steps=5, **files)
    assert train(W, resume=True, **files).model.hash == train(W).model.hash
    for other in (None, W + 1):
        with pytest.raises(ValueError, match="of another run; .*data: "):
            train(other, max_steps=20, resume=True, **files)


def test_validation_is_weighted():
    right = MODEL.predict(X, "exact").argmax(axis=1) == Y
    zeroed = np.where(right, W, 0)
    assert 0 < right.mean() < 1
    average = np.average(right, weights=W)
    for validation, expected in (((X, Y, W), average), ((X, Y, zeroed), 1), ((X, Y), right.mean())):
        run = train(None, update=bf.SGD(1e-30), max_steps=1, validation=validation)
        assert run.history[0].value == pytest.approx(expected, rel=1e-6)


def test_a_share_keeps_its_weights():
    """Both parts have weights of the mean 1; the loss looked at is the weighted mean of those held out."""
    targets = floats(5, 40, 3)
    run = bf.train(
        MODEL, (X, targets, W), loss="mse", validation=0.25, update=bf.SGD(1e-30), estimator=bf.RGE(2),
        engine=ReferenceEngine(dtype=np.float64), max_steps=1, batch_size=30,
    )  # fmt: skip
    errors = ((MODEL.predict(X, "reference") - targets) ** 2).mean(axis=1)
    held = [k for k in range(40) if k not in _trained_on(run)]
    assert len(held) == 10
    assert run.history[0].value == pytest.approx(np.average(errors[held], weights=W[held]), rel=1e-5)


def _trained_on(run):
    """Samples of the run above: those that its only minibatch, which is all of them, was made of."""
    from bpfree import rng
    from bpfree.training.plan import _SPLIT_EPOCH

    order = rng.shuffle(run.trainer.seed, _SPLIT_EPOCH, 40, np.arange(40))
    return set(order[10:].tolist())


@pytest.mark.parametrize(
    ("w", "message"),
    [
        (W[:39], r"w: expected one weight a sample, shape \(40,\), got \(39,\)"),
        (W[:, None], r"w: expected one weight a sample, shape \(40,\), got \(40, 1\)"),
        (np.where(np.arange(40) == 3, -1, W), "w: expected finite weights >= 0, got others at 1 places, first 3"),
        (np.where(np.arange(40) > 37, np.nan, W), "w: expected finite weights >= 0, got others at 2 places, first 38"),
        (np.where(np.arange(40) == 0, np.inf, W), "w: expected finite weights >= 0"),
        (np.zeros(40), "data: expected weights of which some are not 0, got 40 zeros"),
        (np.array(["1"] * 40), "w: expected real numbers, got dtype"),
    ],
)
def test_what_is_no_weight_is_named(w, message):
    with pytest.raises((TypeError, ValueError), match=message):
        train(w)


def test_weights_of_nothing_but_the_samples_held_out():
    from bpfree import rng
    from bpfree.training.plan import _SPLIT_EPOCH

    held = rng.shuffle(3, _SPLIT_EPOCH, 40, np.arange(40))[:10]
    with pytest.raises(ValueError, match="data: expected weights of which some are not 0, got 30 zeros"):
        train(np.isin(np.arange(40), held).astype(float), validation=0.25)
    with pytest.raises(ValueError, match="validation: expected weights of which some are not 0, got 10 zeros"):
        train(1.0 - np.isin(np.arange(40), held), validation=0.25)


def test_an_engine_that_knows_no_weights_is_refused():
    class Own:
        def evaluate(self, *given):
            raise AssertionError

    for settings in ({}, {"validation": (X, Y, W)}):
        with pytest.raises(TypeError, match="engine: expected one with weighs = True, whose evaluate gives"):
            train(None if settings else W, Own(), **settings)
    with pytest.raises(TypeError, match="engine: expected one with weighs = True"):
        bf.calibrate(MODEL, (X, Y, W), engine=Own())


def test_calibration_takes_weights():
    found, plain = (
        bf.calibrate(MODEL, data, estimator=bf.RGE(8), engine="exact", batch_size=16) for data in ((X, Y, W), (X, Y))
    )
    assert found.loss != plain.loss and found.lr > 0
