# SPDX-License-Identifier: MIT
"""Measures and draws the figures of estimators.md: `python docs/figures/estimators.py [--draw]`.

Measuring takes half an hour and writes estimators.json; --draw only draws that file again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import bpfree as bf
from bpfree.datasets import load_digits
from bpfree.engines.batch import make_batch
from bpfree.engines.probes import AT_THETA
from bpfree.losses import get_loss

HERE = Path(__file__).parent
NUMBERS = HERE / "estimators.json"

NETWORKS = {
    "TT, 714": [bf.TTLinear((4, 4, 4), (4, 4, 2), rank=4), bf.Tanh(), bf.Linear(10)],
    "dense, 2,410": [bf.Linear(32), bf.ReLU(), bf.Linear(10)],
    "dense, 19,210": [bf.Linear(256), bf.ReLU(), bf.Linear(10)],
}
"""Networks on the digits, by kind and number of parameters."""

QUERIES = (1, 4, 16, 64, 256, 1024, 4096)
DRAWS = 20

RUNS = {
    "dense, 2,410 parameters, 1 query": ("dense, 2,410", 1),
    "dense, 2,410 parameters, 16 queries": ("dense, 2,410", 16),
    "dense, 2,410 parameters, 256 queries": ("dense, 2,410", 256),
    "TT, 714 parameters, 16 queries": ("TT, 714", 16),
}
BATCH, BUDGET, SEEDS, POINTS = 32, 4_000_000, (0, 1, 2), 40
RATES = tuple(2.0**-k for k in range(-1, 13))
"""Learning rates tried for each run on the first seed; the best by validation accuracy at the end is drawn."""


def true_gradient(model, batch, step: float = 1e-5) -> np.ndarray:
    """Central differences in float64, one parameter at a time."""
    engine, loss, at = bf.ReferenceEngine(dtype=np.float64), get_loss("cross_entropy"), [AT_THETA]
    theta, gradient = model.theta.astype(np.float64), np.empty(model.graph.n_theta)
    for k, start in enumerate(theta):
        losses = []
        for theta[k] in (start + step, start - step):
            values, _ = engine.evaluate(model.graph, theta, model.frozen, batch, loss, at)
            losses.append(values.mean())
        theta[k] = start
        gradient[k] = (losses[0] - losses[1]) / (2 * step)
    return gradient


def cosines() -> dict:
    """Mean cosine of RGE's estimate and the gradient, by network and number of queries."""
    train, found = load_digits("train"), {}
    for name, layers in NETWORKS.items():
        model = bf.Sequential(64, layers)
        batch = make_batch(model.graph, get_loss("cross_entropy"), train.x[:64], train.labels[:64])
        true = true_gradient(model, batch)
        found[name] = {"d": model.graph.n_theta, "cosine": []}
        for q in QUERIES:
            trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.RGE(n_queries=q), bf.SGD(), 64)
            values = []
            for step in range(DRAWS):
                estimate = trainer.estimate(bf.CompiledEngine(), model.theta, batch, step)
                g = trainer.gradient(step, estimate.coefficients)
                values.append(float(g @ true / (np.linalg.norm(g) * np.linalg.norm(true))))
            found[name]["cosine"].append(float(np.mean(values)))
            print(name, q, found[name]["cosine"][-1], flush=True)
    return found


def accuracies() -> dict:
    """Validation accuracy against forwards, mean over the seeds, at the learning rate that is best on the first."""
    found = {}
    for name, (network, q) in RUNS.items():
        steps = BUDGET // (2 * q * BATCH)
        first = {lr: curve for lr in RATES if (curve := _curve(network, q, lr, steps, SEEDS[0])) is not None}
        lr = max(first, key=lambda rate: first[rate][-1])
        if lr in (RATES[0], RATES[-1]):
            raise RuntimeError(f"{name}: the best learning rate {lr} is at the end of those tried; try more")
        curves = [first[lr], *(_curve(network, q, lr, steps, seed) for seed in SEEDS[1:])]
        every = max(1, steps // POINTS)
        forwards = [2 * q * BATCH * min(every * (k + 1), steps) for k in range(len(first[lr]))]
        tried = {str(rate): curve[-1] for rate, curve in first.items()}
        found[name] = {"lr": lr, "tried": tried, "forwards": forwards, "accuracy": np.mean(curves, axis=0).tolist()}
        print(name, tried, flush=True)
    return found


def _curve(network, q: int, lr: float, steps: int, seed: int):
    """Validation accuracies, or None where the run did not reach its end."""
    digits = load_digits()
    run = bf.train(
        bf.Sequential(64, NETWORKS[network], seed=seed), digits.train, estimator=bf.RGE(n_queries=q),
        update=bf.SGD(lr), batch_size=BATCH, max_steps=steps, seed=seed, engine="compiled",
        validation=digits.validation, validate_every=max(1, steps // POINTS), progress=False,
    )  # fmt: skip
    return [value for _, value in run.validation] if run.outcome == "done" else None


def draw(numbers) -> None:
    """cosine.svg and accuracy.svg: grey text on no background, for light pages and dark ones."""
    import matplotlib
    from matplotlib.figure import Figure

    grey = "#808080"
    matplotlib.rcParams.update({
        "svg.hashsalt": "bpfree", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10,
        "text.color": grey, "axes.edgecolor": grey, "axes.labelcolor": grey, "xtick.color": grey, "ytick.color": grey,
        "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
        "axes.prop_cycle": matplotlib.cycler(color=["#1b9e77", "#d95f02", "#7570b3", "#e7298a", "#66a61e"]),
    })  # fmt: skip

    def axis(xlabel, ylabel):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axis = figure.subplots()
        axis.set(xlabel=xlabel, ylabel=ylabel, xscale="log")
        axis.grid(color=grey, alpha=0.2)
        return figure, axis

    def save(figure, name):
        figure.savefig(HERE / name, transparent=True, metadata={"Date": None})

    figure, cosine = axis("queries q", "cosine with the gradient")
    line = np.geomspace(QUERIES[0], QUERIES[-1])
    for name, row in numbers["cosines"].items():
        (drawn,) = cosine.plot(line, np.sqrt(line / (line + row["d"] - 1)), linewidth=1)
        cosine.plot(QUERIES, row["cosine"], "o", color=drawn.get_color(), label=f"{name} parameters")
    cosine.set_ylim(0, 1)
    cosine.legend()
    save(figure, "cosine.svg")

    figure, accuracy = axis("forwards", "validation accuracy")
    for name, row in numbers["accuracies"].items():
        accuracy.plot(row["forwards"], row["accuracy"], label=f"{name}, lr $2^{{{np.log2(row['lr']):.0f}}}$")
    accuracy.set_xlim(1e5)
    accuracy.legend(fontsize=9)
    save(figure, "accuracy.svg")


if __name__ == "__main__":
    if sys.argv[1:] != ["--draw"]:
        NUMBERS.write_text(json.dumps({"accuracies": accuracies(), "cosines": cosines()}, indent=1) + "\n")
    draw(json.loads(NUMBERS.read_text()))
