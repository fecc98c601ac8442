# SPDX-License-Identifier: MIT
"""Diagnostics: how close an estimator's gradient is to coordinate-wise differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bpfree.blas import threads_for
from bpfree.engines import get_engine
from bpfree.engines.cost import largest_product
from bpfree.errors import NumericError, check_count
from bpfree.estimators.cge import CGE
from bpfree.trainer import Trainer
from bpfree.training import plan
from bpfree.updates.sgd import SGD

_FOR_GOOD = 2**32 - 1
"""Steps for which a mask lasts, so that it never changes."""


class Nearness(NamedTuple):
    """The comparison of estimates g_t with the true gradient r at some coordinates, where g is the mean over t.

    name: the parameter tensor, or "all".
    size: number of elements of the tensor, or d.
    looked_at: number of coordinates compared.
    cosine: mean of cos(g_t, r).
    mean_cosine: cos(g, r), which goes to 1 with the number of steps if the estimator is unbiased.
    norm_ratio: mean of |g_t| / |r|.
    slope: (g . r) / |r|^2, which is 1 if E[g] is the gradient, and `fraction` for masks without rescaling.
    variance: sum over the coordinates of var(g_t), divided by |r|^2.

    The numbers are NaN where r is 0.
    """

    name: str
    size: int
    looked_at: int
    cosine: float
    mean_cosine: float
    norm_ratio: float
    slope: float
    variance: float


@dataclass(frozen=True)
class Diagnosis:
    """The result of `diagnose`; its str() is a table for people.

    estimator: the estimator that was compared.
    tier: how much of the network the estimator has access to.
    reference: the estimator of the true gradient.
    steps: number of estimates.
    total: the comparison over all compared coordinates.
    groups: the comparison for each parameter tensor.
    forwards: forwards of one step of the estimator.
    spent: forwards of the whole diagnosis.

    >>> import bpfree as bf
    >>> from bpfree.datasets import load_digits
    >>> model = bf.Sequential(64, [bf.Linear(10)])
    >>> found = bf.diagnose(model, load_digits("train"), bf.UnitWise(), n_coordinates=100)
    >>> found.tier, [group.name for group in found.groups], found.total.cosine > 0.999
    ('layer-access', ['linear1.weight', 'linear1.bias'], True)
    """

    estimator: object
    tier: str
    reference: object
    steps: int
    total: Nearness
    groups: tuple[Nearness, ...]
    forwards: float
    spent: int

    def __repr__(self) -> str:
        told = f"{self.steps} estimates, cosine {self.total.cosine:.4g}, slope {self.total.slope:.4g}"
        return f"Diagnosis({type(self.estimator).__name__} against {type(self.reference).__name__}: {told})"

    def __str__(self) -> str:
        cost = f"{self.steps} estimates of one minibatch, {self.forwards:,.0f} forwards each"
        head = f"{self.estimator}, {self.tier}\n{cost},"
        width = max(len(row.name) for row in (self.total, *self.groups))
        lines = [f"{head} against {type(self.reference).__name__} at {self.total.looked_at:,} coordinates", ""]
        lines.append(f"{'':{width}}  coordinates      cosine  of mean  |g|/|r|    slope   variance")
        for row in (*self.groups, self.total):
            share = f"{row.looked_at:,}/{row.size:,}"
            numbers = (
                f"{row.cosine:9.4f}{row.mean_cosine:9.4f}{row.norm_ratio:9.3g}{row.slope:9.3g}{row.variance:11.3g}"
            )
            lines.append(f"{row.name:{width}}  {share:>14}{numbers}")
        return "\n".join(lines)


def diagnose(
    model,
    data,
    estimator,
    *,
    loss="cross_entropy",
    reference=None,
    n_coordinates: int = 512,
    steps: int = 32,
    batch_size: int = 32,
    engine=None,
    seed: int = 0,
) -> Diagnosis:
    """Measure how close an estimator's gradient is to the true one and how much it varies, by parameter tensor.

    On one minibatch, the estimator makes `steps` estimates with the directions of
    as many steps. They are compared with central differences (CGE) at random
    coordinates, which are the same throughout, and in each tensor proportional to
    its size, but at least one. This takes nothing but losses. The model is
    unchanged.

    Args:
        data, loss, batch_size, engine, seed: as for `train`.
        estimator: the estimator to examine.
        reference: the estimator of the true gradient; None takes CGE at n_coordinates. A deterministic
            one such as StructuredCGE() or UnitWise() gives all d coordinates, where the engine has
            access to the layers.
        n_coordinates: number of coordinates to compare.
        steps: number of estimates, at least 2.

    Raises NumericError when a loss is not finite.

    >>> import bpfree as bf
    >>> from bpfree.datasets import load_digits
    >>> model = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)])
    >>> found = bf.diagnose(model, load_digits("train"), bf.RGE(n_queries=16), reference=bf.UnitWise())
    >>> theory = (16 / (16 + 2410 - 1)) ** 0.5
    >>> round(found.total.cosine, 2), round(theory, 2)
    (0.08, 0.08)
    """
    plan.check_start(model, data, None)
    steps, graph = check_count("steps", steps, 2), model.graph
    n = min(check_count("n_coordinates", n_coordinates), graph.n_theta)
    if reference is None:
        share = {"fraction": n / graph.n_theta, "ratios": "uniform"} if n < graph.n_theta else {}
        reference = CGE(mask_refresh=_FOR_GOOD, **share)
    trainer = Trainer(graph, model.frozen, loss, estimator, SGD(), batch_size, seed)
    true = Trainer(graph, model.frozen, loss, reference, SGD(), batch_size, seed)
    batch, _ = plan.split(graph, trainer.loss, data, None, batch_size, seed)
    batch, engine = batch.take(trainer.indices(0, len(batch))), get_engine(engine, trainer.own)
    plan.check_weighs(engine, batch)
    where = reference.coordinates(graph, seed, 0)
    where, spent = np.arange(graph.n_theta) if where is None else np.sort(where), 0

    def gradient(of, step):
        nonlocal spent
        estimate = of.estimate(engine, model.theta, batch, step)
        if not estimate.finite:
            raise NumericError("diagnose: a loss is not finite: try a smaller mu, or other parameters")
        spent += estimate.forwards
        return of.gradient(step, estimate.coefficients)[where].astype(np.float64)

    with threads_for(largest_product(graph, batch_size)):
        r = gradient(true, 0)
        before = spent
        g = np.array([gradient(trainer, step) for step in range(steps)])
    groups = []
    for part in graph.slices:
        if not part.frozen:
            own = (where >= part.offset) & (where < part.offset + part.size)
            groups.append(_nearness(part.name, part.size, g[:, own], r[own]))
    total = _nearness("all", graph.n_theta, g, r)
    tier, each = estimator.row.tier, (spent - before) / steps
    return Diagnosis(estimator, tier, reference, steps, total, tuple(groups), each, spent)


def _nearness(name: str, size: int, g, r) -> Nearness:
    """Compare estimates g (steps, coordinates) with the gradient r (coordinates,)."""
    lengths, length, mean = np.linalg.norm(g, axis=1), np.linalg.norm(r), g.mean(axis=0)
    if not length:
        return Nearness(name, size, r.size, *[np.nan] * 5)
    products = g @ r
    cosines = np.divide(
        products, lengths * length, out=np.zeros_like(lengths), where=lengths > 0
    )  # g = 0 has no direction, so its cosine counts as 0
    mean_length = np.linalg.norm(mean)
    numbers = (
        cosines.mean(),
        mean @ r / (mean_length * length) if mean_length else 0.0,
        lengths.mean() / length,
        mean @ r / length**2,
        g.var(axis=0, ddof=1).sum() / length**2,
    )
    return Nearness(name, size, r.size, *map(float, numbers))
