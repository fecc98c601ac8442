# SPDX-License-Identifier: MIT
"""Shares of each layer for sparse coordinate-wise estimation, by sizes, by weights or by losses (ZO-GraSP)."""

from __future__ import annotations

import numpy as np

from bpfree import rng
from bpfree.blas import threads_for
from bpfree.engines import get_engine
from bpfree.engines.cost import largest_product
from bpfree.errors import NumericError, check_choice, check_count, check_finite, check_seed
from bpfree.estimators import masks
from bpfree.estimators.rge import RGE
from bpfree.losses import get_loss
from bpfree.model import Model
from bpfree.schedules.table import value_at
from bpfree.trainer import Trainer
from bpfree.training import plan
from bpfree.updates.sgd import SGD

METHODS = (*masks.DENSITIES, *masks.COMPUTED)
"""Names of the methods of `layer_ratios`."""

GRADIENTS = 3
"""Number of gradients that "grasp" estimates; its cost is that of as many steps of its estimator."""


def layer_ratios(
    method: str,
    model: Model,
    data=None,
    *,
    fraction: float,
    loss="cross_entropy",
    estimator=None,
    n_samples: int = 256,
    seed: int = 0,
    engine=None,
) -> tuple[float, ...]:
    """Return the share of each trainable parameter tensor to probe, for the `ratios` of CGE.

    All shares together are `fraction` of all elements. "uniform" and "erk" are
    the shares that CGE derives from these names by sizes alone. For "magnitude"
    and "grasp", the round(fraction d) elements of theta with the highest score
    are counted by layer. The parameter tensors of a layer, its bias included, all
    get that layer's share, and every tensor at least one element.

        magnitude:  |theta_k|
        grasp:      theta_k (H g)_k,   with gradient g and Hessian H of the loss at theta

    GraSP (Wang, Zhang and Grosse, ICLR 2020): without weight k the gradient flow
    |g|^2 changes by 2 S_k to first order, where S = -theta (H g). The weights
    with the lowest S are kept, whose removal would reduce gradient flow most.
    ZO-GraSP (Chen et al., DeepZero, ICLR 2024) takes g and H g from losses:

        H g = [g'(theta + h g) - g'(theta - h g)] / (2 h),   rms of h g = mu

    g has its own directions; both g' share theirs, and all three share the
    samples. The cost is 3 steps of `estimator`.

    Differs from the released code of DeepZero in: 1. each layer has its own
    directions, because with one loss difference for all layers the scores are
    theta times noise; 2. an RGE estimate of q queries in d_l dimensions is
    divided by sqrt((q + d_l - 1) / q), by which it is longer than the gradient,
    because this length would favour large layers.

    Args:
        data: (x, y), needed for "grasp".
        loss: "cross_entropy" or "mse".
        estimator: the estimator of the three gradients; default RGE(n_queries=64, grouping="layer").
            CGE() makes them exact, for 6 d evaluations.
        n_samples: number of samples taken from the data, drawn by the seed.

    Raises NumericError when the loss is not finite or no probe changes it.

    >>> import bpfree as bf
    >>> model = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)])
    >>> ["%.3f" % share for share in layer_ratios("erk", model, fraction=0.1)]
    ['0.067', '1.000', '0.191', '1.000']
    >>> bf.CGE(fraction=0.1, ratios=layer_ratios("magnitude", model, fraction=0.1)).record_shape(model.graph)
    (1, 241)
    """
    check_choice("method", method, METHODS)
    if not 0.0 < check_finite("fraction", fraction) < 1.0:
        raise ValueError(f"fraction: expected a number in (0, 1), got {fraction!r}")
    if not isinstance(model, Model):
        raise TypeError(f"model: expected a Model, got {model!r}")
    graph = model.graph
    n, own = max(1, round(fraction * graph.n_theta)), graph.trainable
    if method in masks.DENSITIES:
        weights = method
    elif method == "magnitude":
        weights = _kept(graph, np.abs(model.theta), n)
    else:
        estimator = RGE(n_queries=64, grouping="layer") if estimator is None else estimator
        weights = _kept(graph, _grasp_scores(model, data, loss, estimator, n_samples, seed, engine), n)
    probed = masks.counts(weights, own, n)
    return tuple(count / part.size for count, part in zip(probed, own, strict=True))


def _kept(graph, scores, n: int) -> tuple[float, ...]:
    """Return, for each slice, its layer's share of the n highest scores; of equal scores the first are taken."""
    kept = np.zeros(scores.size, bool)
    kept[np.argsort(-scores, kind="stable")[:n]] = True
    shares = []
    for group in graph.groups("layer"):
        count, size = int(kept[group.start : group.stop].sum()), len(group)
        shares += [max(count, 1) / size] * sum(part.offset in group for part in graph.trainable)
    return tuple(shares)


def _grasp_scores(model, data, loss, estimator, n_samples, seed, engine) -> np.ndarray:
    """Return the scores theta (H g), (n_theta,)."""
    plan.check_start(model, data, None)
    check_seed(seed)
    n = min(check_count("n_samples", n_samples), max(len(data[0]), 1))
    trainer = Trainer(model.graph, model.frozen, get_loss(loss), estimator, SGD(), n, seed)
    batch, _ = plan.split(model.graph, trainer.loss, data, None, n, seed)
    batch = batch.take(np.sort(rng.shuffle(seed, 0, len(batch), np.arange(n))))
    engine = get_engine(engine, trainer.own)
    plan.check_weighs(engine, batch)

    def gradient(theta, step):
        estimate = trainer.estimate(engine, theta.astype(np.float32), batch, step)
        if not estimate.finite:
            raise NumericError("grasp: the loss is not finite: try a smaller mu, or other initial parameters")
        return _shortened(model.graph, estimator, trainer.gradient(step, estimate.coefficients).astype(np.float64))

    theta = model.theta.astype(np.float64)
    with threads_for(largest_product(model.graph, n)):
        g = gradient(theta, 0)
        length = np.linalg.norm(g)
        if not length:
            raise NumericError("grasp: no probe changed the loss: try a larger mu")
        h = float(value_at(estimator.mu, 0)) * np.sqrt(g.size) / length
        return theta * (gradient(theta + h * g, 1) - gradient(theta - h * g, 1)) / (2 * h)


def _shortened(graph, estimator, g) -> np.ndarray:
    """Return an estimate with the expected length of the gradient: a mean of slopes shortened, others unchanged."""
    if estimator.coefficients_are == "slopes":
        q = estimator.averaged
        for group in graph.groups(estimator.grouping):
            g[group.start : group.stop] *= np.sqrt(q / (q + len(group) - 1))
    return g
