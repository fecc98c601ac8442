"""fit_head against NumPy's least squares: weights, choice of the ridge, unchanged layers, errors."""

import numpy as np
import pytest
from helpers import floats

import bpfree as bf

X = floats(1, 60, 5)
TARGETS = floats(2, 60, 3)
LABELS = np.random.default_rng(3).integers(0, 3, 60)


def model():
    net = bf.Sequential(5, [bf.Linear(7), bf.Tanh(), bf.Linear(3)], seed=1)
    net.theta += floats(4, net.theta.size, scale=0.2)
    return net


def features(net):
    parts = net.parameters()
    return np.tanh(X.astype(float) @ parts["linear1.weight"].T + parts["linear1.bias"])


@pytest.mark.parametrize(("y", "wanted"), [(TARGETS, TARGETS), (LABELS, np.eye(3)[LABELS])], ids=["mse", "labels"])
def test_it_is_the_least_squares_solution(y, wanted):
    net = model()
    solved = bf.fit_head(net, (X, y), ridge=1e-12)
    ones = np.ones((60, 1))
    solution = np.linalg.lstsq(np.hstack([features(net), ones]), wanted.astype(float), rcond=None)[0]
    parts = solved.parameters()
    np.testing.assert_allclose(parts["linear3.weight"], solution[:-1].T, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(parts["linear3.bias"], solution[-1], rtol=1e-3, atol=1e-4)
    for name in ("linear1.weight", "linear1.bias"):
        np.testing.assert_array_equal(parts[name], net.parameters()[name])
    assert not np.array_equal(solved.theta, net.theta)


def test_a_frozen_body_stays_and_gives_the_same_head():
    whole, part = (bf.fit_head(net, (X, TARGETS), ridge=1e-12) for net in (model(), model().train_only("linear3.*")))
    assert part.graph.n_frozen == 42 and part.frozen_hash == model().train_only("linear3.*").frozen_hash
    np.testing.assert_array_equal(part.theta, whole.theta[42:])


@pytest.mark.parametrize("y", [TARGETS, LABELS], ids=["mse", "labels"])
def test_it_is_the_weighted_least_squares_solution(monkeypatch, y):
    """NumPy's, of rows times sqrt(w); the samples in chunks, and the size of the weights does not matter."""
    monkeypatch.setattr("bpfree.study.heads.CHUNK", 17)
    net, weights = model(), np.random.default_rng(5).exponential(size=60)
    weights[:20] = 0
    solved = bf.fit_head(net, (X, y, 3 * weights), ridge=1e-12)
    wanted, roots = TARGETS if y is TARGETS else np.eye(3)[LABELS], np.sqrt(weights)[:, None]
    rows = np.hstack([features(net), np.ones((60, 1))])
    solution = np.linalg.lstsq(roots * rows, roots * wanted.astype(float), rcond=None)[0]
    np.testing.assert_allclose(solved.parameters()["linear3.weight"], solution[:-1].T, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(solved.parameters()["linear3.bias"], solution[-1], rtol=1e-3, atol=1e-4)
    assert np.abs(solved.theta - bf.fit_head(net, (X, y), ridge=1e-12).theta).max() > 1e-2


def test_the_ridge_and_its_choice_are_weighted():
    """A weight of 2 is the sample twice, in the strength's unit and in the validation."""
    net, counts = model(), np.random.default_rng(6).integers(0, 3, 60)
    ridges = (1e-4, 1e-2, 1.0, 10.0)
    for y in (TARGETS, LABELS):
        several = (X.repeat(counts, axis=0), y.repeat(counts, axis=0))
        weighted = bf.fit_head(net, (X, y, counts), validation=(X, y, counts), ridge=ridges)
        repeated = bf.fit_head(net, several, validation=several, ridge=ridges)
        np.testing.assert_allclose(weighted.theta, repeated.theta, rtol=1e-4, atol=1e-5)


def test_the_ridge_is_chosen_on_validation():
    net, (train, held_out) = model(), ((X[:20], TARGETS[:20]), (X[20:], TARGETS[20:]))
    errors = {}
    for ridge in (1e-6, 1e-1, 10.0):
        one = bf.fit_head(net, train, ridge=ridge)
        errors[ridge] = np.square(one.predict(held_out[0]) - held_out[1]).mean()
    best = bf.fit_head(net, train, validation=held_out, ridge=tuple(errors))
    chosen = bf.fit_head(net, train, ridge=min(errors, key=errors.get))
    assert best.hash == chosen.hash and len(set(errors.values())) == 3


BAD = [
    (lambda: bf.fit_head(bf.Sequential(5, [bf.TTLinear(4, rank=2)]), (X, TARGETS), ridge=1.0), "expected Linear with"),
    (lambda: bf.fit_head(bf.Sequential(5, [bf.Linear(3, bias=False)]), (X, TARGETS), ridge=1.0), "with bias"),
    (lambda: bf.fit_head(model().freeze("*3.bias"), (X, TARGETS), ridge=1.0), "that is trained, got linear3 frozen"),
    (lambda: bf.fit_head(model(), (X, TARGETS)), "validation: expected"),
    (lambda: bf.fit_head(model(), (X, TARGETS), ridge=0.0), "ridge: expected"),
    (lambda: bf.fit_head(model(), (X, LABELS + 5), ridge=1.0), r"y: expected labels in \[0, 2\]"),
    (lambda: bf.fit_head(model(), (X, TARGETS[:, :2]), ridge=1.0), r"y: expected integer labels \(n,\) or targets"),
    (lambda: bf.fit_head(model(), (X, TARGETS[:9]), ridge=1.0), "y: expected one row per sample"),
    (lambda: bf.fit_head(model(), (X, TARGETS, X[:9, 0]), ridge=1.0), "w: expected one weight a sample"),
    (lambda: bf.fit_head(model(), (X, TARGETS, X[:, 0]), ridge=1.0), "w: expected finite weights >= 0"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_wrong_use(call, message):
    with pytest.raises(ValueError, match=message):
        call()
