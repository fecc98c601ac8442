# SPDX-License-Identifier: MIT
"""Diagnostics: how near an estimator's gradient is to dense coordinate-wise differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bpfree.engines import get_engine
from bpfree.errors import NumericError, check_count
from bpfree.estimators.cge import CGE
from bpfree.trainer import Trainer
from bpfree.training import plan
from bpfree.updates.sgd import SGD

_FOR_GOOD = 2**32 - 1
"""Steps that a mask lasts."""


class Nearness(NamedTuple):
    """Estimates g_t of some coordinates beside their true gradient r; g the mean over t.

    cosine: mean of cos(g_t, r). mean_cosine: cos(g, r), which goes to 1 with the steps
    where the estimator is unbiased. norm_ratio: mean of |g_t| / |r|. slope: (g . r) / |r|^2, 1
    where E[g] is the gradient, `fraction` for masks that are not rescaled. variance:
    sum over the coordinates of var(g_t) / |r|^2. NaN where r is 0.
    size: of the tensor, or d; looked_at: the coordinates compared.
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
    """What `diagnose` found; str() of it is a table for people.

    total: over all coordinates compared. groups: of each parameter tensor. tier: what
    the estimator looks at. forwards: of one of its steps; spent: of all of this.

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
    """How near an estimator's gradient is to the true one, and how much it scatters, by parameter tensor.

    One minibatch is drawn; the estimator makes `steps` estimates of its gradient,
    with the directions of as many steps. They are compared with central differences,
    CGE, at random coordinates; the same ones throughout, in each tensor in
    proportion to its size, at least one. Only losses are looked at for that. The model
    is left as it is.

    Args:
        data, loss, batch_size, engine, seed: as for `train`.
        reference: what to compare with; None: CGE of n_coordinates. Or an estimator whose gradient
            has no chance in it, such as StructuredCGE() or UnitWise(): all d coordinates, where
            the engine can look into the layers.
        steps: at least 2.

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
    batch, _ = plan.split(trainer, data, None)
    batch, engine = batch.take(trainer.indices(0, len(batch))), get_engine(engine)
    where = reference.coordinates(graph, seed, 0)
    where, spent = np.arange(graph.n_theta) if where is None else np.sort(where), 0

    def gradient(of, step):
        nonlocal spent
        estimate = of.estimate(engine, model.theta, batch, step)
        if not estimate.finite:
            raise NumericError("diagnose: a loss is not finite: try a smaller mu, or other parameters")
        spent += estimate.forwards
        return of.gradient(step, estimate.coefficients)[where].astype(np.float64)

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
    """Of g (steps, coordinates) to r (coordinates,)."""
    lengths, length, mean = np.linalg.norm(g, axis=1), np.linalg.norm(r), g.mean(axis=0)
    if not length:
        return Nearness(name, size, r.size, *[np.nan] * 5)
    products = g @ r
    cosines = np.divide(
        products, lengths * length, out=np.zeros_like(lengths), where=lengths > 0
    )  # g = 0 points nowhere
    mean_length = np.linalg.norm(mean)
    numbers = (
        cosines.mean(),
        mean @ r / (mean_length * length) if mean_length else 0.0,
        lengths.mean() / length,
        mean @ r / length**2,
        g.var(axis=0, ddof=1).sum() / length**2,
    )
    return Nearness(name, size, r.size, *map(float, numbers))
