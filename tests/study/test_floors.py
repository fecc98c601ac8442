# SPDX-License-Identifier: MIT
"""The floor of trained accuracies: the random features are the network's own, the ridge is scikit-learn's."""

import numpy as np
import pytest

import bpfree as bf
from bpfree.study.floors import random_features_floor
from bpfree.study.heads import body_features, ridge_heads


@pytest.fixture(scope="module")
def data():
    """Return samples of three classes around three points in 12 dimensions."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(3, 12))

    def samples(n):
        labels = generator.integers(0, 3, n)
        return (centres[labels] + generator.normal(size=(n, 12))).astype(np.float32), labels

    return samples(200), samples(100), samples(150)


LAYERS = {
    "linear": lambda: [bf.Linear(7), bf.Tanh(), bf.Linear(3)],
    "tt": lambda: [bf.TTLinear((3, 4), (2, 4), rank=3), bf.ReLU(), bf.TTLinear((2, 4), (1, 3), rank=2)],
    "head alone": lambda: [bf.Linear(3)],
}


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_features_are_the_input_of_the_last_layer(data, layers):
    (x, _), *_ = data
    model = bf.Sequential(12, layers(), seed=3)
    body = bf.Sequential(12, layers()[:-1], seed=3).predict(x) if len(layers()) > 1 else x
    features = body_features(model, x)
    assert features.dtype == np.float64
    np.testing.assert_array_equal(features, body)


def test_ridge_is_scikit_learns(data):
    linear_model = pytest.importorskip("sklearn.linear_model")
    train, _, test = data
    model = bf.Sequential(12, LAYERS["linear"](), seed=1)
    features = body_features(model, train[0])
    for ridge in (1e-3, 1.0, 30.0):
        alpha = ridge * np.square(features - features.mean(axis=0)).sum(axis=0).mean()
        theirs = linear_model.Ridge(alpha=alpha).fit(features, np.eye(3)[train[1]])
        expected = (theirs.predict(body_features(model, test[0])).argmax(axis=1) == test[1]).mean()
        floor = random_features_floor(model, train, test, ridge=ridge)
        assert floor == (expected, [expected], [ridge])


def test_the_head_and_the_scale_of_the_body_do_not_matter(data):
    train, validation, test = data
    floors = []
    for gain in (1.0, 64.0):
        model = bf.Sequential(12, [bf.Linear(7, gain=gain), bf.ReLU(), bf.Linear(3, gain=gain)])
        floors.append(random_features_floor(model, train, test, validation=validation))
    assert floors[0] == floors[1]


def test_ridge_is_chosen_on_validation(data):
    train, validation, test = data
    model = bf.Sequential(12, LAYERS["linear"]())
    strengths = [1e-6, 1e-2, 1e4]
    scores = [random_features_floor(model, train, validation, ridge=r).accuracy for r in strengths]
    floor = random_features_floor(model, train, test, validation=validation, ridge=strengths)
    assert floor.ridges == [strengths[int(np.argmax(scores))]]
    assert floor == random_features_floor(model, train, test, ridge=floor.ridges[0])


def test_mean_over_models(data):
    train, validation, test = data
    models = [bf.Sequential(12, LAYERS["tt"](), seed=seed) for seed in range(3)]
    alone = [random_features_floor(model, train, test, validation=validation) for model in models]
    together = random_features_floor(models, train, test, validation=validation)
    assert together.accuracies == [floor.accuracy for floor in alone]
    assert together.accuracy == np.mean(together.accuracies)
    assert together.accuracy > 0.5


def test_dead_features_do_not_break_it(data):
    train, validation, test = data
    model = bf.Sequential(12, LAYERS["linear"]())
    model.theta[:] = 0
    share = np.bincount(train[1]).argmax() == test[1]
    assert random_features_floor(model, train, test, validation=validation).accuracy == share.mean()


def test_errors(data):
    train, validation, test = data
    model = bf.Sequential(12, LAYERS["linear"]())
    with pytest.raises(ValueError, match=r"^validation: expected \(x, y\)"):
        random_features_floor(model, train, test)
    with pytest.raises(ValueError, match=r"^ridge: expected a finite number > 0, got -1.0"):
        random_features_floor(model, train, test, ridge=-1.0)
    with pytest.raises(ValueError, match=r"^ridge: expected at least one strength"):
        random_features_floor(model, train, test, ridge=[])
    with pytest.raises(ValueError, match=r"linear or TT layer at the end, got tanh"):
        random_features_floor(bf.Sequential(12, [bf.Linear(3), bf.Tanh()]), train, test, ridge=1.0)
    with pytest.raises(TypeError, match=r"^models: expected a Model or several"):
        random_features_floor([], train, test, ridge=1.0)
    with pytest.raises(ValueError, match=r"^test: expected labels in \[0, 2\], got 0 to 3"):
        random_features_floor(model, train, (test[0], np.arange(len(test[0])) % 4), ridge=1.0)
    with pytest.raises(TypeError, match=r"^train: expected integer labels of shape \(200,\), got float64"):
        random_features_floor(model, (train[0], train[1] / 2), test, ridge=1.0)
    with pytest.raises(TypeError, match=r"^train: expected samples \(x, labels\), whose floor has no weights"):
        random_features_floor(model, (*train, np.ones(len(train[1]))), test, ridge=1.0)


def test_a_few_samples_at_a_time_is_the_same(data, monkeypatch):
    train, validation, test = data
    models = [bf.Sequential(12, LAYERS["linear"](), seed=seed) for seed in range(4)]
    at_once = random_features_floor(models, train, test, validation=validation)
    chunks = [body_features(models[0], train[0]), np.eye(3)[train[1]]]
    monkeypatch.setattr("bpfree.study.heads.CHUNK", 7)
    assert random_features_floor(models, train, test, validation=validation) == at_once
    pieces = ((chunks[0][k : k + 7], train[1][k : k + 7]) for k in range(0, 200, 7))
    ((weight, bias),) = ridge_heads(pieces, 3, [1e-3])
    centred = chunks[0] - chunks[0].mean(axis=0)
    gram = centred.T @ centred
    expected = np.linalg.solve(gram + 1e-3 * np.trace(gram) / 7 * np.eye(7), centred.T @ chunks[1])
    np.testing.assert_allclose(weight, expected, rtol=1e-9)
    np.testing.assert_allclose(bias, chunks[1].mean(axis=0) - chunks[0].mean(axis=0) @ expected, rtol=1e-9)
