"""Estimators, directions and schedules of one's own that are not what they should be, and what is said then."""

from dataclasses import dataclass

import numpy as np
import pytest
from helpers import floats

import bpfree as bf

X, Y = floats(1, 40, 3), floats(2, 40, 2)
MODEL = bf.Sequential(3, [bf.Linear(6), bf.ReLU(), bf.Linear(2)], seed=1)


def trained(**settings):
    settings = {"loss": "mse", "engine": "reference", "batch_size": 8, "max_steps": 3, **settings}
    return bf.train(MODEL, (X, Y), **settings)


def own(base, **members):
    """A dataclass of one's own."""
    return dataclass(frozen=True)(type("Mine", (base,), members))


@dataclass(frozen=True)
class Slope(bf.Estimator, name="slope"):
    """Partial derivatives of the last two parameters, from outputs that it looks at itself."""

    def record_shape(self, graph):
        return 1, 2

    def evaluations(self, graph):
        return 4

    def forwards(self, graph, batch_size):
        return 4 * batch_size

    def gradient(self, graph, seed, step, coefficients):
        g = np.zeros(graph.n_theta, coefficients.dtype)
        g[-2:] = coefficients[0]
        return g

    def estimate(self, trainer, engine, theta, batch, step):
        losses = []
        for k, move in ((-2, self.mu), (-2, -self.mu), (-1, self.mu), (-1, -self.mu)):
            point = theta.copy()
            point[k] += move
            outputs = engine.predict(trainer.graph, point, trainer.frozen, batch.x)
            losses.append(((outputs - batch.targets) ** 2).mean(axis=1))
        losses = np.array(losses)
        means = losses.mean(axis=1)
        return bf.Estimate((means[0::2] - means[1::2])[None] / (2 * self.mu), losses, 4 * len(batch))


WRONG = {
    "no estimate": ({"estimator": own(bf.Estimator)}, "estimator: expected Mine to define record_shape"),
    "no points": ({"estimator": own(bf.Differences)}, r"estimator: expected Mine to define points\(graph, seed, s"),
    "no transform": ({"update": own(bf.Update)}, "update: expected Mine to define transform"),
    "no shape": ({"update": lambda: bf.SGD(own(bf.Schedule)(0.1, 0.0, 0))}, r"schedule: .* to define shape\(step, e"),
}


@pytest.mark.parametrize(("settings", "message"), WRONG.values(), ids=WRONG)
def test_what_a_class_has_to_define_is_named(settings, message):
    with pytest.raises(NotImplementedError, match=f"^{message}"):
        trained(**{name: make() for name, make in settings.items()})


def test_an_estimate_is_public_and_nothing_else_is_one():
    run = trained(estimator=Slope(), update=bf.SGD(0.1))
    moved = run.model.theta != MODEL.theta
    assert moved[-2:].all() and not moved[:-2].any() and run.evaluations == 12
    bad = own(Slope, estimate=lambda self, *given: None)
    with pytest.raises(TypeError, match="^estimator: expected estimate of '.*Mine' to give a bpfree.Estimate, got N"):
        trained(estimator=bad())


def test_theta_is_read_only_for_it():
    def estimate(self, trainer, engine, theta, batch, step):
        theta[:] = 0
        return Slope.estimate(self, trainer, engine, theta, batch, step)

    before = MODEL.theta.copy()
    with pytest.raises(ValueError, match="read-only"):
        trained(estimator=own(Slope, estimate=estimate)())
    np.testing.assert_array_equal(MODEL.theta, before)
    for engine in ("reference", "exact", "compiled"):
        reads = own(bf.RGE, estimate=lambda self, *given: bf.RGE.estimate(self, *given))(4)
        assert trained(estimator=reads, engine=engine).losses == trained(estimator=bf.RGE(4), engine=engine).losses


@pytest.mark.parametrize("given", [bf.SGD, own(bf.Update)])
def test_a_class_is_no_update(given):
    with pytest.raises(TypeError, match=r"^updates: expected an object of settings, got the class (\w+): call it, \1"):
        trained(update=given)


@pytest.mark.parametrize("given", [bf.RGE, Slope])
def test_a_class_is_no_estimator(given):
    message = rf"^estimators: expected an object of settings, got the class {given.__name__}: call it"
    with pytest.raises(TypeError, match=message):
        trained(estimator=given)


def test_a_field_that_no_dataclass_takes_up_is_refused():
    class Fast(bf.SGD):
        lr = 5.0

    with pytest.raises(TypeError, match="^updates: expected a dataclass, as Fast gives lr, got a class with"):
        trained(update=Fast())

    class Doubled(bf.SGD):
        def transform(self, gradient, state, theta):
            return 2 * super().transform(gradient, state, theta)[0], state

    assert trained(update=Doubled(0.25)).model.hash == trained(update=bf.SGD(0.5)).model.hash


@pytest.mark.parametrize("u", [np.ones(3, "f4"), np.ones(1, "f4"), 1.0], ids=["three", "one", "number"])
def test_a_direction_is_as_long_as_its_piece(u):
    short = bf.Direction("short", lambda piece, seed, step, query: u)
    message = r"^direction: expected draw of 'short' to give u of the piece, \(18,\), got shape \("
    with pytest.raises(ValueError, match=message):
        trained(estimator=bf.RGE(2, direction=short))


@pytest.mark.parametrize("given", [None, np.nan, np.ones(3), "a"], ids=str)
def test_a_shape_is_a_finite_number(given):
    schedule = own(bf.Schedule, shape=lambda self, step, end: given)(0.1, 0.01, 0)
    for settings in ({"update": bf.SGD(schedule)}, {"estimator": bf.RGE(2, mu=schedule)}):
        with pytest.raises(ValueError, match="^schedule: expected shape of '.*Mine' to give a finite number in step 0"):
            trained(**settings)
