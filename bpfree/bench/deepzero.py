# SPDX-License-Identifier: MIT
"""Where should sparse coordinate-wise estimation probe? Different shares per layer, at equal forwards.

Each network is trained on the digits with CGE on a tenth of its parameters as in
DeepZero (Chen et al., ICLR 2024), with masks drawn anew every ten steps and
Adam, whose learning rate falls along half a cosine. The methods differ in
`ratios` only:

- `none`: coordinates are drawn from the whole network
- `uniform`, `erk`, `magnitude`: the ratios of `layer_ratios`
- `grasp`: ZO-GraSP by RGE with 64 queries in every layer and 64 samples; its forwards reduce those left for training
- `grasp-exact`: GraSP with exact gradients, whose cost is not counted: the value of the criterion without its noise
- `dense`: CGE of all parameters, for the same forwards

All methods have the same budget of forwards, each of which is a whole pass of
one sample. The learning rate of each method is the best of RATES by mean
validation accuracy over the TUNING seeds. The reported numbers are means over
other SEEDS, which determine weights and minibatches for all methods alike, so
that differences from `uniform` are paired. The bare case is the method with the
best validation accuracy.

For the deep network, further rows analyse ZO-GraSP's shares by layer: with
directions of each layer's own (`shares`) and with one direction for all
(`shares/joint`), against `shares/noise`, which is made from theta and random
numbers only. `correlation` is with the mean of many noises, `distance` from it
(summed over the layers), `agreement` is the correlation, between two seeds, of
the differences from it, and `shuffled` the correlation with the shares for
shuffled labels.
"""

from __future__ import annotations

from itertools import combinations
from statistics import mean, stdev

import numpy as np

from bpfree.bench.rows import row
from bpfree.datasets import load_digits
from bpfree.estimators.cge import CGE
from bpfree.estimators.rge import RGE
from bpfree.model import Model, Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.relu import ReLU
from bpfree.schedules.cosine_decay import cosine_decay
from bpfree.screen.progress import live_bar
from bpfree.study.layer_ratios import GRADIENTS, layer_ratios
from bpfree.training.loop import train
from bpfree.updates.adam import Adam

WIDTHS = {"digits-mlp": (32,), "digits-deep": (32, 16, 24, 16)}
"""Widths of the hidden layers of each network 64-...-10, with a ReLU after each."""

METHODS = ("none", "uniform", "erk", "magnitude", "grasp", "grasp-exact", "dense")
FRACTION, REFRESH, BATCH, SAMPLES = 0.1, 10, 32, 64
BUDGET, RATES = 2e6, (0.015, 0.03, 0.06, 0.12)
LAST = 40
"""Number of last steps whose mean training loss is reported."""

TUNING, SEEDS = (100, 101), (1, 2, 3, 4, 5)
DRAWS = {"shares": RGE(n_queries=64, grouping="layer"), "shares/joint": RGE(n_queries=64)}
"""Estimators of ZO-GraSP's gradients: ours, and one with the same loss difference for all layers."""


def run(quick: bool = False) -> list[dict]:
    """Return accuracy and loss of every method on both networks. quick: only show that it runs."""
    from threadpoolctl import threadpool_limits

    budget, rates, tuning, seeds = (BUDGET / 5, RATES[1:2], TUNING[:1], SEEDS[:2]) if quick else (
        BUDGET, RATES, TUNING, SEEDS
    )  # fmt: skip
    rows, digits, done = [], load_digits(), 0
    total = len(WIDTHS) * len(METHODS) * (len(rates) * len(tuning) + len(seeds))
    with threadpool_limits(limits=1), live_bar(total, "runs") as update:

        def runs(case, method, rate, seeds):
            nonlocal done
            results = []
            for seed in seeds:
                results.append(_train(case, method, rate, seed, budget, digits))
                done += 1
                update(done, f"{case} {method}")
            return results

        for case in WIDTHS:
            found = {}
            for method in METHODS:
                tried = {rate: runs(case, method, rate, tuning) for rate in rates}
                best = max(tried, key=lambda rate: mean(one["validation_accuracy"] for one in tried[rate]))
                final = runs(case, method, best, seeds)
                found[method] = {"lr": best, **{name: [one[name] for one in final] for name in final[0]}}
            rows += _rows(case, found)
        rows += _share_rows(digits, draws=2 if quick else 6)
    return rows


def network(case: str, seed: int) -> Model:
    """Return the network of this name, 64-32-10 or the one of five layers."""
    hidden = [layer for width in WIDTHS[case] for layer in (Linear(width), ReLU())]
    return Sequential(64, [*hidden, Linear(10)], seed=seed)


def _train(case, method, rate, seed, budget, digits) -> dict:
    model, spent = network(case, seed), 0
    ratios = None
    if method in ("uniform", "erk", "magnitude"):
        ratios = layer_ratios(method, model, fraction=FRACTION)
    elif method.startswith("grasp"):
        probe = DRAWS["shares"] if method == "grasp" else CGE()
        spent = GRADIENTS * probe.evaluations(model.graph) * SAMPLES if method == "grasp" else 0
        ratios = layer_ratios(
            "grasp", model, digits.train, fraction=FRACTION, estimator=probe, n_samples=SAMPLES, seed=seed
        )
    fraction = 1.0 if method == "dense" else FRACTION
    estimator = CGE(fraction, two_sided=False, ratios=ratios, mask_refresh=REFRESH)
    steps = int((budget - spent) // (estimator.evaluations(model.graph) * BATCH))
    result = train(
        model, digits.train, estimator=estimator, update=Adam(cosine_decay(rate, steps=steps)), batch_size=BATCH,
        max_steps=steps, seed=seed, progress=False,
    )  # fmt: skip
    return {
        "test_accuracy": result.model.accuracy(*digits.test),
        "validation_accuracy": result.model.accuracy(*digits.validation),
        "loss": float(np.nanmean(result.losses[-LAST:])),
        "forwards": result.evaluations * BATCH + spent,
    }


def _rows(case, found) -> list[dict]:
    best = max(found, key=lambda method: mean(found[method]["validation_accuracy"]))
    rows = []
    for label, method in [(case, best), *((f"{case}/{method}", method) for method in found)]:
        own = found[method]
        note = f"ratios: {method}" if label == case else "uniform"
        for metric in ("test_accuracy", "validation_accuracy", "loss", "forwards"):
            base = mean(found["uniform"][metric])
            rows.append(_row(label, metric, own[metric], note, mean(own[metric]) / base))
        pairs = zip(own["test_accuracy"], found["uniform"]["test_accuracy"], strict=True)
        rows.append(_row(label, "points_over_uniform", [100 * (a - b) for a, b in pairs], note))
        rows.append(row("deepzero", label, "lr", own["lr"], "", "chosen by validation accuracy"))
    return rows


def _row(case, metric, values, reference, ratio=None) -> dict:
    spread = stdev(values) if len(values) > 1 else None
    return row("deepzero", case, metric, mean(values), "", reference, ratio, seeds=len(values), std=spread)


def _share_rows(digits, draws: int) -> list[dict]:
    """Return the rows that analyse ZO-GraSP's shares on the network of five layers."""
    model, rows = network("digits-deep", 0), []
    noises = np.array([_noise_shares(model, draw) for draw in range(100 + draws)])
    data_free, noises = noises[:100].mean(axis=0), noises[100:]
    shuffled = np.random.default_rng(0).permutation(digits.train.labels)

    def shares(estimator, labels, seed):
        found = layer_ratios("grasp", model, (digits.train.x, labels), fraction=FRACTION, estimator=estimator,
                             n_samples=SAMPLES, seed=seed)  # fmt: skip
        return np.array(found[::2])  # the shares of the weights, one per layer, without those of the biases

    for case, estimator in {**DRAWS, "shares/noise": None}.items():
        own = noises if estimator is None else [shares(estimator, digits.train.labels, k) for k in range(draws)]
        parts = [one - data_free for one in own]
        measured = {
            "correlation": [_correlation(one, data_free) for one in own],
            "distance": [np.abs(part).sum() for part in parts],
            "agreement": [_correlation(a, b) for a, b in combinations(parts, 2)],
        }
        if estimator is not None:
            other = [shares(estimator, shuffled, k) for k in range(draws)]
            measured["shuffled"] = [_correlation(a, b) for a, b in zip(own, other, strict=True)]
        label = f"digits-deep-{case}"
        rows += [_row(label, metric, [float(v) for v in values], "noise") for metric, values in measured.items()]
    return rows


def _noise_shares(model, draw: int) -> np.ndarray:
    """Return the shares by layer for scores that are theta times normal draws."""
    noisy = Model(model.graph, model.theta * np.random.default_rng(draw).standard_normal(model.theta.size, np.float32))
    scores = np.where(noisy.theta > 0, noisy.theta, 0)  # so that "magnitude" takes the highest of theta * noise
    return np.array(layer_ratios("magnitude", Model(model.graph, scores), fraction=FRACTION)[::2])


def _correlation(a, b) -> float:
    return float(np.corrcoef(a, b)[0, 1])
