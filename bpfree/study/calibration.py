# SPDX-License-Identifier: MIT
"""Calibration: mu by the float resolution of the loss, and a first lr, from a few forward passes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from bpfree import rng
from bpfree.blas import threads_for
from bpfree.engines import get_engine
from bpfree.engines.cost import largest_product
from bpfree.engines.probes import AT_THETA
from bpfree.errors import NumericError
from bpfree.estimators import ESTIMATORS
from bpfree.estimators.estimate import Estimate
from bpfree.estimators.first_look import FirstLook
from bpfree.estimators.rge import RGE
from bpfree.estimators.step import make_step
from bpfree.model import Model
from bpfree.schedules.table import start_of
from bpfree.study.functions import calibrate_function
from bpfree.study.rates import floor, put, rate_place, restarted, steps_added, with_lr
from bpfree.trainer import Trainer
from bpfree.training import plan
from bpfree.updates.sgd import SGD

RADII = tuple(2.0**-k for k in range(1, 15))
"""Values of mu that are tried, from large to small; each is compared with the next."""

RATES = tuple(2.0**-k for k in range(-6, 21))
"""Learning rates that are tried, from large to small."""

PROBES, ESTIMATES, EVALUATIONS, MANY = 16, (4, 16), 128, 1024
"""Number of directions probed for mu; fewest and most estimates for lr; and the number of evaluations that these
should take together. An estimate that takes MANY evaluations or more is made only once."""

HELD = 256
"""The most held samples, whose loss decides whether a step is too long."""

SAFETY, SAFETY_SIGNS, HARM = 16, 4, 0.01
"""Factors by which lr stays below the rate that raises the loss by the share HARM: the curvature of the loss grows
during training. Adam and SignSGD have the smaller factor SAFETY_SIGNS, as the length of their steps does not grow."""

NOISY = 0.1
"""Relative difference of the estimates at mu and mu / 2 from which on there is advice."""

_HELD_EPOCH = 2**32 - 2
"""The epoch whose shuffled order begins with the held samples: no run gets as far."""


class Radius(NamedTuple):
    """The effect of one mu.

    change: |g(mu) - g(mu / 2)| / |g(mu / 2)| along the same directions on the same samples,
    which is bias where mu is large, and rounding where mu is small.
    difference: median of |L+ - L-|, where L is the mean loss of the minibatch; None for an
    estimator that uses more than losses.
    ulps: the difference in units in the last place of the loss; None likewise.
    """

    mu: float
    change: float
    difference: float | None
    ulps: float | None


class Rate(NamedTuple):
    """The effect of one lr.

    change: relative change of the loss of held samples by one step with this lr, mean
    over the estimates. For Adam and SignSGD, step and lr are those of SGD instead.
    """

    lr: float
    change: float


@dataclass(frozen=True)
class Calibration:
    """The result of `calibrate`; its str() is a table for people.

    mu, lr: the values found, which are powers of two.
    estimator, update: the given ones with this mu and this lr, ready for `train`.
    radii, rates: the measurements, by mu and by lr.
    loss: mean loss of the held samples.
    forwards: the cost of the calibration.
    advice: a warning, or "" if there is none.

    >>> import bpfree as bf
    >>> from bpfree.datasets import load_digits
    >>> found = bf.calibrate(bf.Sequential(64, [bf.Linear(10)]), load_digits("train"), estimator=bf.UnitWise(0.25))
    >>> found.update == bf.SGD(found.lr), found.radii[0].mu, found.forwards > 1000
    (True, 0.5, True)
    """

    mu: float
    lr: float
    estimator: object
    update: object
    radii: tuple[Radius, ...]
    rates: tuple[Rate, ...]
    loss: float
    forwards: int
    advice: str

    def __repr__(self) -> str:
        advice = f", advice {self.advice!r}" if self.advice else ""
        return f"Calibration(mu={self.mu:g}, lr={self.lr:g}, {self.forwards} forwards{advice})"

    def __str__(self) -> str:
        lines = [f"mu {_power(self.mu)}, lr {_power(self.lr)}, from {self.forwards:,} forwards", ""]
        lines.append("    mu   change of g   |L+ - L-|        ulp")
        for row in self.radii:
            seen = "" if row.ulps is None else f"{row.difference:12.3g}{row.ulps:11,.0f}"
            lines.append(f"{_mark(row.mu == self.mu)} {_power(row.mu):>6}  {row.change:10.2%} {seen}".rstrip())
        lines += ["", "    lr   change of the loss"]
        lines += [f"{_mark(row.lr == self.lr)} {_power(row.lr):>6}  {row.change:10.2%}" for row in self.rates]
        return "\n".join(lines + (["", f"advice: {self.advice}"] if self.advice else []))


def _power(value: float) -> str:
    mantissa, exponent = np.frexp(value)
    return f"2^{exponent - 1}" if mantissa == 0.5 else f"{value:g}"


def _mark(chosen: bool) -> str:
    return ">" if chosen else " "


def calibrate(
    model,
    data,
    *,
    loss=None,
    estimator=None,
    update=None,
    batch_size: int | None = None,
    engine=None,
    max_evaluations: float | None = None,
    seed: int = 0,
) -> Calibration | FirstLook:
    """Find mu and a first lr for a run from a few forward passes; the model is unchanged.

    A function of theta instead of a model, and theta0 instead of data: calibrate(loss_fn, theta0,
    max_evaluations=20_000) takes the first look of :func:`bpfree.minimize` and returns it, a
    :class:`bpfree.FirstLook`. An estimator that is given stays as it is; the update, Adam unless
    it is given, gets its lr. All that follows is about models.

    To find mu, g is estimated on one minibatch along the same 16 directions with
    mu = 2^-1 ... 2^-15. Halving mu changes g by O(mu^2), the bias (more across kinks of ReLU), and by
    O(eps |L| / mu), the float rounding of the two losses. They balance where g
    changes least; that mu is taken. mu is in the units of what the estimator
    moves, parameters or activations.

    To find lr, 4 to 16 estimates from as many minibatches (one estimate, if it
    takes 1,024 evaluations) each give one step from theta with lr = 2^6, 2^5, ...
    until the mean loss of up to 256 held samples falls. The largest lr that raised
    it by less than 1 % is divided by 16, because the curvature of the loss grows
    during training, and by the number of steps that a momentum adds up,
    1 / (1 - beta). A noisy estimate makes the best step short, so the lr fits the
    number of queries.

    Adam and SignSGD divide each element of g by its own size, which on average is
    SGD with lr / rms(g). Their lr is therefore SGD's times rms(g), over the
    elements of theta, and divided by 4 instead of 16. (A single step of Adam or
    SignSGD shows little, as half of the signs of a noisy estimate are wrong.)

    Args:
        data, loss, batch_size, engine, seed: as for `train`; default: "cross_entropy", 32 samples.
        estimator: the estimator to calibrate; default RGE(n_queries=8). A schedule of mu keeps its
            shape and gets a new start.
        max_evaluations: for functions only, of the run to come; default 20,000.
        update: the update to calibrate; default SGD. In a chain, the last link with an lr is set. A
            schedule of lr keeps its shape and gets a new start.

    Raises NumericError when the loss is not finite at the start. Every other failure
    is a result: `advice` says when |L+ - L-| drowns in rounding, and what to do.

    >>> import bpfree as bf
    >>> from bpfree.datasets import load_digits
    >>> digits = load_digits()
    >>> model = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)])
    >>> found = bf.calibrate(model, digits.train, estimator=bf.UnitWise())
    >>> run = bf.train(model, digits.train, estimator=found.estimator, update=found.update, epochs=5)
    >>> found.advice, run.model.accuracy(*digits.validation) > 0.8
    ('', True)
    """
    if callable(model) and not isinstance(model, Model | type):
        given = {"loss": loss, "batch_size": batch_size, "engine": engine}
        if names := ", ".join(name for name, value in given.items() if value is not None):
            raise TypeError(f"{names}: expected none with a function, which is all there is to be known")
        return calibrate_function(model, data, estimator, update, max_evaluations, seed)
    if max_evaluations is not None:
        raise TypeError(f"max_evaluations: expected none with a model, got {max_evaluations!r}: it is for functions")
    plan.check_start(model, data, None)
    loss = "cross_entropy" if loss is None else loss
    batch_size = plan.BATCH_SIZE if batch_size is None else batch_size
    estimator, update = RGE(n_queries=8) if estimator is None else estimator, SGD() if update is None else update
    ESTIMATORS.of(estimator)  # raises, listing the estimators there are
    if estimator.coefficients_are == "moves":
        name = type(estimator).__name__
        raise TypeError(f"estimator: expected one that makes a gradient, got {name}, whose mu is its step")
    trainer = Trainer(model.graph, model.frozen, loss, estimator, update, batch_size, seed)
    place = rate_place(trainer.update)
    batch, _ = plan.split(model.graph, trainer.loss, data, None, batch_size, seed)
    engine = get_engine(engine, trainer.own)
    plan.check_weighs(engine, batch)
    with threads_for(largest_product(model.graph, batch_size)):
        bench = _Bench(trainer, engine, model.theta, batch)
        if not np.isfinite(bench.loss):
            raise NumericError("calibrate: the loss is not finite: try other initial parameters, or smaller inputs")
        radii = bench.radii()
        mu = _least_change(radii)
        estimator = replace(estimator, mu=restarted(estimator.mu, mu))
        rates, lr = bench.rates(mu)
    advice = _advice(bench, radii, mu, rates, lr)
    lr = start_of(place.lr) if lr is None else lr
    return Calibration(
        mu, lr, estimator, with_lr(update, restarted(place.lr, lr)), radii, rates, bench.loss, bench.forwards, advice
    )


class _Bench:
    """The samples of a calibration, and the forwards spent on them."""

    def __init__(self, trainer: Trainer, engine, theta, batch):
        self.trainer, self.engine, self.theta, self.batch, self.forwards = trainer, engine, theta, batch, 0
        order = rng.shuffle(trainer.seed, _HELD_EPOCH, len(batch), np.arange(min(HELD, len(batch))))
        self.held = batch.take(np.sort(order))
        self.start = self.losses(theta)
        self.loss = float(self.start.mean())

    def losses(self, theta):
        """Return the losses (n,) of the held samples."""
        graph, frozen, loss = self.trainer.graph, self.trainer.frozen, self.trainer.loss
        (values,), forwards = self.engine.evaluate(graph, theta, frozen, self.held, loss, [AT_THETA])
        self.forwards += forwards
        return values

    def estimate(self, trainer: Trainer, step: int):
        """Return the Estimate at theta with the minibatch and the directions of a step."""
        samples = self.batch.take(trainer.indices(step, len(self.batch)))
        estimate = trainer.estimate(self.engine, self.theta, samples, step)
        self.forwards += estimate.forwards
        return estimate

    def radii(self) -> tuple[Radius, ...]:
        """Return the comparison of every mu with the next smaller one, where both give finite numbers."""
        estimator = _fewer(self.trainer.estimator, self.trainer.graph)
        black_box = estimator.row.tier == "black-box"
        found, rows = [], []
        for mu in (*RADII, RADII[-1] / 2):
            found.append(self.estimate(replace(self.trainer, estimator=replace(estimator, mu=mu)), 0))
        for mu, estimate, below in zip(RADII, found, found[1:]):
            g, finer = (part.coefficients.astype(np.float64) for part in (estimate, below))
            length = np.linalg.norm(finer)
            change = float(np.linalg.norm(g - finer) / length) if length else np.inf
            difference = ulps = None
            if black_box:
                difference = _difference(estimate.losses, estimator.two_sided)
                ulps = difference / float(np.spacing(np.float32(abs(estimate.loss))))
            rows.append(Radius(mu, change, difference, ulps))
        return tuple(row for row in rows if not np.isnan(row.change))

    def rates(self, mu: float) -> tuple[tuple[Rate, ...], float | None]:
        """Return the learning rates tried, and the lr to start with, or None if no step lowers the loss."""
        update = self.trainer.update
        signs = rate_place(update).steps_by_lr
        update = put(update, SGD()) if signs else update
        trainer = replace(self.trainer, estimator=replace(self.trainer.estimator, mu=mu), update=update)
        each = trainer.evaluations
        n = 1 if each >= MANY else int(np.clip(EVALUATIONS // each, *ESTIMATES))
        estimates = [self.estimate(trainer, step) for step in range(n)]
        rows = []
        for lr in RATES:
            moves = [self._move(replace(trainer, update=with_lr(update, lr)), *move) for move in enumerate(estimates)]
            rows.append(Rate(lr, float(np.mean([change for change, _ in moves]))))
            if len(rows) > 1 and max(rows[-1].change, rows[-2].change) < 0:
                harmless = next(row.lr for row in rows if row.change < HARM)
                if signs:
                    rms = np.mean([length for _, length in moves]) / lr / np.sqrt(self.theta.size)
                    return tuple(rows), floor(harmless / SAFETY_SIGNS / steps_added(update) * rms)
                return tuple(rows), floor(harmless / SAFETY / steps_added(update))
        return tuple(rows), None

    def _move(self, trainer: Trainer, step: int, estimate: Estimate) -> tuple[float, float]:
        """Return the relative change of the loss by an update, and the length of its step."""
        state = trainer.initial_state(self.theta)
        made = make_step(estimate, partial(self.engine.apply, trainer), self.theta, state, step)
        if made.failure:
            return np.inf, np.inf
        with np.errstate(over="ignore", invalid="ignore"):
            change = float((self.losses(made.theta) - self.start).mean(dtype=np.float64)) / abs(self.loss or 1.0)
        return change if np.isfinite(change) else np.inf, float(np.linalg.norm(made.theta - self.theta))


def _fewer(estimator, graph):
    """Return the estimator with no more than PROBES directions or coordinates."""
    n = max(PROBES, len(graph.slices))  # some estimators need one for each parameter tensor
    least = {"n_queries": lambda own: min(own, n), "fraction": lambda own: min(own, n / graph.n_theta)}
    own = {field.name for field in fields(estimator)}
    return replace(estimator, **{name: rule(getattr(estimator, name)) for name, rule in least.items() if name in own})


def _difference(losses, two_sided: bool) -> float:
    """Return the median of |L+ - L-| over the directions that change the loss; 0 if none does."""
    means = losses.mean(axis=1, dtype=np.float64)
    sizes = np.abs(means[0::2] - means[1::2] if two_sided else means[1:] - means[0])
    return float(np.median(sizes[sizes > 0])) if sizes.any() else 0.0


def _least_change(radii) -> float:
    """Return the mu whose halving changes g least; the larger one of equals."""
    return min(radii, key=lambda row: row.change).mu if radii else RADII[0]


def _advice(bench: _Bench, radii, mu: float, rates, lr) -> str:
    """Return the warnings about a calibration; "" if there are none."""
    row = next((row for row in radii if row.mu == mu), None)
    if row is None:
        return "no mu gives finite losses: scale the inputs down, or start from smaller parameters"
    if row.change == np.inf:
        advice = "check the inputs, and whether layers are saturated at the start"
        return f"no mu below {_power(RADII[0])} changed the loss: {advice}"
    parts = []
    if row.change > NOISY:
        seen = ""
        if row.ulps is not None:
            seen = f"|L+ - L-| is {row.ulps:,.{int(row.ulps < 10)}f} ulp of a loss of {bench.loss:.3g}: "
        parts.append(
            f"{seen}halving the best mu changes the estimate by {row.change:.0%}, because the difference drowns in "
            "rounding or the loss is rough; scale the targets, subtract their mean, or take larger batches"
        )
    if lr is None:
        parts.append("no lr lowered the loss of held samples: take more queries or a larger batch, or stop training")
    return "; ".join(parts)
