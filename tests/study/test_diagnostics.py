"""diagnose: the numbers that theory predicts for each estimator, and an estimator made wrong on purpose."""

from dataclasses import dataclass
from math import isnan, sqrt

import numpy as np
import pytest
from helpers import floats

import bpfree as bf
from bpfree.datasets import load_digits

DIGITS = load_digits("train")


def mlp():
    return bf.Sequential(64, [bf.Linear(16), bf.ReLU(), bf.Linear(10)])


@pytest.mark.parametrize("q", [1, 16, 64])
def test_rge_scatters_as_theory_says(q):
    """E cos = sqrt(q / (q + d - 1)), E |g|^2 = |r|^2 (q + d - 1) / q, total variance (d - 1) / q |r|^2."""
    model = mlp()
    d = model.graph.n_theta
    total = bf.diagnose(model, DIGITS, bf.RGE(n_queries=q), reference=bf.UnitWise(), steps=64).total
    assert total.looked_at == total.size == d
    assert total.cosine == pytest.approx(sqrt(q / (q + d - 1)), rel=0.3)
    assert total.norm_ratio == pytest.approx(sqrt((q + d - 1) / q), rel=0.3)
    assert total.variance == pytest.approx((d - 1) / q, rel=0.35)
    assert total.slope == pytest.approx(1, abs=0.4)
    assert total.mean_cosine == pytest.approx(sqrt(64 * q / (64 * q + d - 1)), rel=0.2)


def test_a_part_of_the_coordinates_tells_the_same():
    """The numbers do not depend on how many coordinates are compared."""
    model, estimator = mlp(), bf.RGE(n_queries=16)
    few = bf.diagnose(model, DIGITS, estimator, n_coordinates=300, steps=64)
    full = bf.diagnose(model, DIGITS, estimator, reference=bf.StructuredCGE(), steps=64)
    assert few.total.looked_at == 300 and full.total.looked_at == model.graph.n_theta
    for name in ("cosine", "slope", "norm_ratio"):
        assert getattr(few.total, name) == pytest.approx(getattr(full.total, name), rel=0.25)
    assert [row.name for row in few.groups] == [part.name for part in model.graph.slices]
    assert sum(row.looked_at for row in few.groups) == 300 and all(row.looked_at for row in few.groups)


@pytest.mark.parametrize("reference", [None, bf.UnitWise(), bf.StructuredCGE()])
@pytest.mark.parametrize("estimator", [bf.CGE(), bf.UnitWise(), bf.UnitWise(head="probe"), bf.StructuredCGE()])
def test_exact_estimators_are_exact(estimator, reference):
    model = bf.Sequential(64, [bf.Linear(4), bf.Tanh(), bf.Linear(10)])
    found = bf.diagnose(model, DIGITS, estimator, reference=reference, steps=2, n_coordinates=100)
    for row in (found.total, *found.groups):
        assert row.cosine > 0.9999 and row.norm_ratio == pytest.approx(1, abs=0.01) and row.variance < 1e-10


@pytest.mark.parametrize(("rescale", "slope"), [(False, 0.25), (True, 1.0)])
def test_a_mask_shortens_the_gradient(rescale, slope):
    estimator = bf.CGE(0.25, rescale=rescale)
    total = bf.diagnose(mlp(), DIGITS, estimator, n_coordinates=10**6, steps=64).total
    assert total.slope == pytest.approx(slope, rel=0.1) and total.cosine == pytest.approx(0.5, abs=0.1)


def test_an_estimator_of_double_length_that_points_back_is_seen(monkeypatch):
    estimator = bf.UnitWise()
    own = bf.UnitWise.gradient
    monkeypatch.setattr(bf.UnitWise, "gradient", lambda self, *given: -2 * own(self, *given))
    total = bf.diagnose(mlp(), DIGITS, estimator, steps=2).total
    assert total.cosine == pytest.approx(-1, abs=0.01) and total.norm_ratio == pytest.approx(2, abs=0.05)
    assert total.slope == pytest.approx(-2, abs=0.05)


def test_regression_and_a_tensor_without_gradient():
    """The inputs of the second layer's weights are all zero."""
    x = floats(0, 40, 3)
    model = bf.Sequential(3, [bf.Linear(2), bf.ReLU(), bf.Linear(1)])
    theta = model.theta.copy()
    theta[:6], theta[6:8] = 0, -1
    found = bf.diagnose(bf.Model(model.graph, theta), (x, x[:, :1]), bf.CGE(), loss="mse", steps=2, batch_size=20)
    rows = {row.name: row for row in found.groups}
    assert isnan(rows["linear3.weight"].cosine) and rows["linear3.bias"].cosine == pytest.approx(1)


def test_counts_and_table():
    model = mlp()
    found = bf.diagnose(model, DIGITS, bf.RGE(n_queries=4), n_coordinates=50, steps=3, batch_size=16)
    assert found.forwards == 8 * 16 and found.tier == "black-box"
    assert found.spent > 3 * found.forwards and found.steps == 3
    text = str(found)
    assert "black-box" in text and "linear1.weight" in text and len(text.splitlines()) == 9
    again = bf.diagnose(model, DIGITS, bf.RGE(n_queries=4), n_coordinates=50, steps=3, batch_size=16)
    assert again == found


@dataclass(frozen=True)
class Foreign:
    mu: float = 0.1


@pytest.mark.parametrize(
    ("error", "settings", "match"),
    [
        (TypeError, {"model": 3}, "model: expected a Model"),
        (TypeError, {"estimator": Foreign()}, "Foreign"),
        (TypeError, {"reference": Foreign()}, "Foreign"),
        (ValueError, {"steps": 1}, "steps: expected an integer >= 2"),
        (ValueError, {"n_coordinates": 0}, "n_coordinates"),
        (ValueError, {"batch_size": 10**6}, "batch_size"),
    ],
)
def test_wrong_use(error, settings, match):
    given = {"model": mlp(), "data": DIGITS, "estimator": bf.RGE(), **settings}
    with pytest.raises(error, match=match):
        bf.diagnose(given.pop("model"), given.pop("data"), given.pop("estimator"), **given)


def test_a_loss_that_is_not_finite():
    model = mlp()
    with pytest.raises(bf.errors.NumericError, match="not finite"):
        bf.diagnose(bf.Model(model.graph, model.theta * np.float32(1e37)), DIGITS, bf.RGE(), steps=2)
