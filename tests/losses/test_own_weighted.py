"""Losses of one's own on samples with weights: fl(w_b L_b), L_b in the engine's precision, as for rows of the table."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import floats

import bpfree as bf
from bpfree.losses import mse

X, TARGETS = floats(1, 40, 3), floats(2, 40, 2)
WEIGHTS = np.random.default_rng(3).uniform(0, 4, 40)
MODEL = bf.Sequential(3, [bf.Linear(4), bf.Tanh(), bf.Linear(2)], seed=1)


def trained(loss, estimator, engine="exact", weights=WEIGHTS):
    data = (X, TARGETS, weights)
    settings = {"update": bf.SGD(0.1), "batch_size": 8, "max_steps": 4, "engine": engine}
    return bf.train(MODEL, data, loss=loss, estimator=estimator, **settings)


@pytest.mark.parametrize("engine", ["exact", "reference"])
@pytest.mark.parametrize("estimator", [bf.RGE(4), bf.CGE(), bf.UnitWise(), bf.StructuredCGE(), bf.NodePerturbation()])
def test_a_copy_of_a_row_takes_the_same_steps(engine, estimator):
    own = replace(mse.LOSS, name="own_mse", number=None)
    assert trained(own, estimator, engine).model.hash == trained("mse", estimator, engine).model.hash


def test_a_function_in_float64_is_rounded_before_it_is_weighed():
    def rows(outputs, targets):
        return ((outputs.astype("f8") - targets) ** 2).mean(axis=1)

    def rounded(outputs, targets):
        return rows(outputs, targets).astype("f4")

    for estimator in (bf.RGE(4), bf.UnitWise(head="probe")):
        found = [trained(loss, estimator, "reference").model.hash for loss in (rows, rounded)]
        assert found[0] == found[1] != trained(rows, estimator, "reference", np.ones(40)).model.hash


def test_what_gives_no_numbers_is_refused_by_name():
    for wrong in (lambda outputs, targets: ["a"] * len(outputs), lambda outputs, targets: np.zeros((len(outputs), 2))):
        for estimator in (bf.RGE(4), bf.UnitWise(head="probe")):
            with pytest.raises(ValueError, match="loss: expected .* to give"):
                trained(wrong, estimator)
