"""What is said of a run that ended in order and is worth nothing, against scikit-learn's and NumPy's own numbers."""

import numpy as np
import pytest
from helpers import floats

import bpfree as bf
from bpfree.engines.batch import make_batch
from bpfree.losses import get_loss
from bpfree.study.floors import Floor
from bpfree.training.verdict import class_shares, constant_loss, still_falling

X, Y = floats(0, 300, 4), np.arange(300) % 3
TARGETS = floats(1, 300, 2)
CLASSES, VALUES = bf.Sequential(4, [bf.Linear(3)], seed=0), bf.Sequential(4, [bf.Linear(2)], seed=0)
SETTINGS = {"engine": "exact", "batch_size": 32, "estimator": bf.RGE(2)}


def batch(model, loss, *data):
    return make_batch(model.graph, get_loss(loss), *data)


def train(model=CLASSES, data=(X, Y), **settings):
    return bf.train(model, data, **{**SETTINGS, "max_steps": 20, "update": bf.SGD(1e-3), **settings})


# ---- The loss of a constant answer, by other means ----


@pytest.mark.parametrize("labels", [Y, 0 * Y, (np.arange(300) < 31).astype(int)], ids=["even", "one", "few"])
@pytest.mark.parametrize("weighted", [False, True])
def test_of_labels_it_is_the_entropy_of_the_classes(labels, weighted):
    weights = np.linspace(0.1, 3, 300) if weighted else None
    found = batch(CLASSES, "cross_entropy", X, labels, weights)
    total = np.ones(300) if weights is None else weights
    shares = np.array([total[labels == c].sum() for c in range(3)]) / total.sum()
    entropy = -sum(p * np.log(p) for p in shares if p)
    assert constant_loss(get_loss("cross_entropy"), found) == pytest.approx(entropy, abs=1e-12)
    assert class_shares(found).max() == pytest.approx(shares.max(), rel=1e-12)


@pytest.mark.parametrize("n", [300, 10_000])
@pytest.mark.parametrize("weighted", [False, True])
def test_of_targets_it_is_their_variance(n, weighted):
    x, targets = np.zeros((n, 4), "f4"), 3 + 1e-3 * floats(2, n, 2)
    weights = np.linspace(0.1, 3, n) if weighted else None
    mean = np.average(targets.astype("f8"), axis=0, weights=weights)
    variance = np.average(np.square(targets - mean), axis=0, weights=weights).mean()
    found = constant_loss(get_loss("mse"), batch(VALUES, "mse", x, targets, weights))
    assert found == pytest.approx(variance, rel=1e-5), "weights and targets are float32"


def test_targets_that_are_all_equal_leave_nothing_to_learn():
    assert constant_loss(get_loss("mse"), batch(VALUES, "mse", X, np.full((300, 2), 0.1))) == 0
    assert train(VALUES, (X, np.full((300, 2), 0.1)), loss="mse").advice == ""
    assert train(data=(X, np.ones(300, int))).advice == ""
    only = train(data=(X, Y), validation=(X[:40], np.ones(40, int)), update=bf.SGD(0.1))
    assert "one class for all" not in only.advice


# ---- When it is said ----


def test_a_network_that_learns_is_told_nothing():
    learnt = train(data=(X, (X[:, 0] > 0).astype(int)), update=bf.SGD(0.1), max_steps=300, validation=0.3)
    assert learnt.validation[-1][1] > 0.8 and learnt.advice == "" and "advice" not in learnt.summary()
    learnt = train(VALUES, (X, X[:, :2]), loss="mse", update=bf.SGD(0.05), max_steps=300)
    assert learnt.losses[-1] < 0.1 and learnt.advice == ""


def test_a_loss_above_that_of_the_class_shares():
    found = train(data=(100 * X, Y), update=bf.SGD(0.01))
    assert found.outcome_code == "done" and found.losses[-1] > np.log(3)
    assert "is no better than 1.099, that of a constant answer: try another lr" in found.advice
    assert f"are the inputs scaled? the largest |x| is {np.abs(100 * X).max():.4g}" in found.advice
    assert f"\nadvice: {found.advice}" in found.summary()


def test_a_validation_below_the_share_of_the_largest_class():
    uneven = (np.arange(300) % 10 == 0).astype(int)
    held = X[:100], uneven[:100]
    found = train(data=(X, uneven), validation=held)
    assert found.validation[-1][1] <= 0.9 and f"{found.validation[-1][1]:.4g} is no better than 0.9, " in found.advice


def test_of_a_rare_class_the_loss_is_the_judge():
    """No answer is more often right than the larger class for all; the shares are what can be learnt."""
    x, chance = np.random.default_rng(0).uniform(-1, 1, (4000, 2)), np.random.default_rng(1).random(4000)
    share = 0.4 * (x[:, 0] > 0) + 0.001
    labels = (chance < share).astype(int)
    model = bf.Sequential(2, [bf.Linear(8), bf.ReLU(), bf.Linear(2)], seed=0)
    settings = {"estimator": bf.UnitWise(), "validation": (x[3200:], labels[3200:]), "engine": None}
    found = train(model, (x[:3200], labels[:3200]), update=bf.Adam(0.01), max_steps=1000, **settings)
    rare = labels[3200:].mean()
    assert found.validation[-1][1] == pytest.approx(1 - rare), "the larger class for all"
    scores = found.model.predict(x[3200:]).astype("f8")
    right = scores[np.arange(800), labels[3200:]] - np.log(np.exp(scores).sum(axis=1))
    assert -right.mean() < 0.8 * -(rare * np.log(rare) + (1 - rare) * np.log(1 - rare))
    assert found.advice == ""
    idle = train(model, (x[:3200], 0 * labels[:3200]), update=bf.Adam(0.01), max_steps=1000, **settings)
    assert f"is no better than {1 - rare:.4g}, that of one class for all: try another lr" in idle.advice


def test_a_run_that_was_merely_short_needs_more_steps_not_another_lr():
    x = np.random.default_rng(0).uniform(-1, 1, (4000, 2))
    y = np.sin(3 * x[:, :1]) * x[:, 1:]
    model = bf.Sequential(2, [bf.Linear(16), bf.Tanh(), bf.Linear(1)], seed=0)
    settings = {"loss": "mse", "estimator": bf.RGE(8), "update": bf.SGD(0.01), "engine": None}
    short = train(model, (x, y), max_steps=12, **settings)
    assert "that of a constant answer: try more steps, as the loss is still falling" in short.advice
    assert "another lr" not in short.advice
    whole = train(model, (x, y), max_steps=2000, **settings)
    assert whole.losses[-1] < np.var(y) and whole.advice == ""


@pytest.mark.parametrize("steps", [10, 11, 40, 1000])
def test_a_loss_falls_still_where_its_last_half_does(steps):
    noise = np.random.default_rng(0).normal(size=(200, steps))
    fall = np.linspace(1, 0, steps)
    flat = np.where(np.arange(steps) < steps // 2, 1 + fall, 1)  # where steps are few all of them are looked at
    count = [sum(map(still_falling, losses)) for losses in (5 + noise, 5 + 10 * fall + noise, 5 - 10 * fall + noise)]
    assert count[0] < 30 and count[1] > 180 and count[2] == 0
    if steps >= 40:
        assert sum(map(still_falling, 5 + 10 * flat + noise)) < 30, "it has fallen, and stands"
    risen = 20 - 10 * np.linspace(0, 1, steps)
    assert still_falling(risen) and not still_falling([5, *risen]), "from where a step too large has brought it"


def test_a_loss_of_targets_above_their_variance():
    found = train(VALUES, (X, 10 + TARGETS), loss="mse")
    assert "training loss" in found.advice and "that of a constant answer" in found.advice
    held = train(VALUES, (X, 10 + TARGETS), loss="mse", validation=0.2)
    assert "validation loss" in held.advice and "the largest |y|" in held.advice


def test_the_loss_at_the_probes_is_not_mistaken_for_that_of_theta():
    """Small targets, met exactly: mu alone moves the outputs by more than the targets' spread."""
    model = bf.Model(VALUES.graph, VALUES.theta * 0)
    targets = 1e-4 * X[:, :2]
    model.theta[0] = model.theta[5] = 1e-4
    found = train(model, (X, targets), loss="mse", estimator=bf.RGE(2, mu=0.5), update=bf.SGD(1e-12))
    assert found.losses[-1] > 1e-2 > targets.var() and "no better" not in found.advice


def test_a_sorted_set_is_looked_at_all_over():
    n = 9_000
    x, y = 100 * floats(3, n, 4), np.sort(np.arange(n) % 3)
    assert f"no better than {np.log(3):.4g}" in train(data=(x, y)).advice


def test_few_steps_are_told_of_a_loss_that_has_risen_alone():
    assert train(data=(X, Y), max_steps=9).advice == ""
    found = train(data=(X, Y), max_steps=6, update=bf.SGD(1e3))
    assert found.outcome_code == "done" and found.losses[-1] > found.bound
    assert found.advice.startswith(f"the loss has risen, {found.losses[0]:.4g} -> {found.losses[-1]:.4g}, and ")
    assert ": try a smaller lr; the largest |x| is " in found.advice
    assert train(max_steps=None, max_evaluations=1).advice == "", "no step, nothing to say"


def test_samples_that_are_not_in_memory_are_not_compared_with():
    def noise(step, chance):
        return X[:32], chance.integers(0, 3, 32)

    found = train(data=None, batches=noise, batch_size=None)
    assert found.losses[-1] > np.log(3) and found.advice == ""
    assert "no better" in train(data=None, batches=noise, batch_size=None, validation=(X, Y)).advice


def test_a_loss_of_ones_own_has_no_constant_to_compare_with():
    found = train(VALUES, (X, TARGETS), loss=lambda outputs, targets: abs(outputs - targets).sum(1), engine="reference")
    assert "no better" not in found.advice


@pytest.mark.parametrize("scale", [1e-18, 1e-9])
def test_tiny_losses_that_stand_still(scale):
    """A usual lr moves nothing then, and the run was "done"."""

    def tiny(outputs, targets):
        return scale * np.square(outputs[:, 0] - targets)

    found = train(VALUES, (X, 3 + X[:, 0]), loss=tiny, update=bf.SGD(0.01), engine="reference")
    assert found.outcome_code == "done" and found.losses[-1] > 0
    assert "theta has hardly moved" in found.advice and "a larger lr, or a loss of another scale" in found.advice
    assert f"the loss stands still at {found.losses[-1]:.4g}" in found.advice
    assert "loss 0.0000" not in found.summary()


def test_losses_too_small_for_float32_to_differ():
    def tiny(outputs, targets):
        return 1e-44 * (1 + 0 * outputs[:, 0])

    found = train(VALUES, (X, X[:, 0]), loss=tiny, engine="reference")
    assert found.outcome_code == "mu_too_small"
    assert found.outcome.endswith(f"the loss stands still at {found.losses[-1]:.4g}: try one of another scale")


# ---- Floors ----


def test_a_run_below_its_floor_says_so():
    found = train(validation=(X, Y))
    value = found.validation[-1][1]
    said = f"advice: validation accuracy {value:.4g} does not reach its floor, 0.9: more is had without training"
    assert said in found.summary(0.9) and said in found.summary(Floor(0.9, [0.9], [1.0]))
    assert "floor" not in found.summary(value) and "floor" not in found.summary()
    without = train().summary(Floor(0.9, [0.9], [1.0]))
    assert "advice: the floor, 0.9, is compared with nothing, as the run had no validation: give train one" in without
    assert "floor" not in train().summary()
    by_loss = train(VALUES, (X, TARGETS), loss="mse", validation=0.2)
    assert "does not reach its floor" in by_loss.summary(0.01) and "floor" not in by_loss.summary(1e6)
    with pytest.raises(TypeError, match="floor: expected a"):
        found.summary("high")
