"""Losses of one's own in scikit-learn's classes."""

import pickle

import numpy as np
import own_things as own
import pytest
from helpers import floats

pytest.importorskip("sklearn")

from sklearn.base import clone

import bpfree as bf
from bpfree.sklearn import Classifier, Regressor

X = floats(1, 60, 3)
QUICK = {"hidden_layer_sizes": (8,), "max_iter": 20, "update": bf.Adam(0.02)}


def hinge(outputs, targets):
    """Crammer and Singer's, of the numbers of the classes."""
    scores = outputs.copy()
    right = scores[np.arange(len(scores)), targets]
    scores[np.arange(len(scores)), targets] -= 1
    return (scores + 1 - right[:, None]).max(axis=1)


def test_a_classifier_learns_by_it_and_is_cloned_and_pickled():
    labels = np.where(X[:, 0] > 0, "yes", "no")
    fitted = Classifier(loss=hinge, **QUICK).fit(X, labels)
    assert fitted.score(X, labels) > 0.9 and "hinge" in fitted.run_.summary()
    assert fitted.run_.trainer.loss.name == f"{__name__}.hinge"
    for again in (clone(fitted).fit(X, labels), pickle.loads(pickle.dumps(fitted))):
        assert again.loss is hinge and again.model_.hash == fitted.model_.hash
    streamed = Classifier(loss=hinge, **QUICK).partial_fit(X, labels, ["no", "yes"])
    assert streamed.model_.hash != fitted.model_.hash and len(streamed.loss_curve_) == 4


def test_a_regressor_has_standardised_targets_in_it():
    y = np.stack([3 * X[:, 0] + 100, X[:, 1]], axis=1)
    mine = Regressor(loss=own.squares, engine="exact", **QUICK).fit(X, y)
    plain = Regressor(engine="exact", **QUICK).fit(X, y)
    assert np.corrcoef(mine.predict(X)[:, 0], y[:, 0])[0, 1] > 0.9
    np.testing.assert_allclose(mine.loss_curve_, plain.loss_curve_, rtol=1e-2)


def test_targets_have_the_shape_of_y_as_in_train():
    """One that broadcast (n,) against (n, 1) would be (n, n)."""
    y, shapes = 3 * X[:, 0] + 100, set()

    def absolute(outputs, targets):
        shapes.add(targets.shape[1:])
        return np.abs(outputs[:, 0] - targets.reshape(len(targets), -1)[:, 0])

    mine = Regressor(loss=absolute, engine="exact", **QUICK).fit(X, y)
    mine.partial_fit(X, y)
    assert shapes == {()} and np.corrcoef(mine.predict(X), y)[0, 1] > 0.9
    Regressor(loss=absolute, engine="exact", **QUICK).fit(X, y[:, None])
    assert shapes == {(), (1,)}


def test_the_compiled_engine_refuses_it():
    with pytest.raises(ValueError, match="^engine: expected 'reference' or 'exact'.*hinge"):
        Classifier(loss=hinge, engine="compiled", **QUICK).fit(X, np.arange(60) % 2)
