# SPDX-License-Identifier: MIT
"""Accuracy against forwards of every estimator, on the digits with the network 64-32-10.

All methods have the same budget of forwards, minibatches of 32 and Adam.
`calibrate` finds mu and a first lr; of that lr times FACTORS, the best by
validation accuracy is taken, with the weights and samples of the seed TUNING.
The reported and drawn numbers are test accuracies at POINTS along the run,
means over the other SEEDS. The cost of calibration is in the row
`calibration_forwards` and outside the budget. Coordinate descent moves by mu
itself, and takes the best of STEPS.

`head` is no estimator but the floor that training has to beat: untrained
features and a last layer in closed form (`fit_head`), in one pass over the
samples. The bare case is the method with the best validation accuracy,
`digits-mlp/black-box` the best method that uses losses only. Every row names
its tier.
"""

from __future__ import annotations

import csv as tables
from dataclasses import dataclass, replace
from statistics import mean, stdev

import numpy as np

from bpfree.bench.rows import row
from bpfree.datasets import load_digits
from bpfree.estimators import ESTIMATORS
from bpfree.estimators.cge import CGE
from bpfree.estimators.coordinate_descent import CoordinateDescent
from bpfree.estimators.hybrid import Hybrid
from bpfree.estimators.node_perturbation import NodePerturbation
from bpfree.estimators.rge import RGE
from bpfree.estimators.structured import StructuredCGE
from bpfree.estimators.unit_wise import UnitWise
from bpfree.files import replacing
from bpfree.model import Model, Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.relu import ReLU
from bpfree.screen.plots import plot_methods
from bpfree.screen.progress import live_bar
from bpfree.study.calibration import calibrate, with_lr
from bpfree.study.heads import fit_head
from bpfree.training.loop import train
from bpfree.updates.adam import Adam
from bpfree.updates.sgd import SGD

METHODS = {
    "rge": RGE(n_queries=16),
    "rge, one-sided": RGE(n_queries=32, two_sided=False),
    "rge, by layer": RGE(n_queries=16, grouping="layer"),
    "rge, Gaussian": RGE(n_queries=16, direction="gaussian"),
    "rge, Hadamard": RGE(n_queries=16, direction="hadamard"),
    "rge, sphere": RGE(n_queries=16, direction="sphere"),
    "cge": CGE(),
    "cge, 2 %": CGE(0.02),
    "cge, 10 %, erk masks": CGE(0.1, two_sided=False, ratios="erk", mask_refresh=10),
    "hybrid": Hybrid(n_queries=64),
    "coordinate descent": CoordinateDescent(0.02),
    "node perturbation": NodePerturbation(),
    "unit-wise": UnitWise(),
    "structured cge": StructuredCGE(),
}
"""Settings of each method; a row of the table that is missing here is tried with its defaults."""

BATCH, BUDGET, QUICK_BUDGET = 32, 1e6, 2e4
FACTORS, TUNING, SEEDS = (0.5, 2.0, 8.0), 100, (1, 2, 3)
STEPS = (2.0**-5, 2.0**-4, 2.0**-3)
"""Values of mu tried for coordinate descent, which moves by mu and has no lr."""

POINTS = tuple(int(2 ** (k / 2)) for k in range(20, 40))
"""Forwards at which the test accuracy is taken, where they are within the budget; its end is added."""

CASE = "digits-mlp"


@dataclass(frozen=True)
class Curve:
    """One method: forwards and test accuracy (mean and std over the seeds) along the run, and its settings."""

    name: str
    tier: str
    settings: str
    forwards: list[int]
    accuracy: list[float]
    std: list[float]
    validation: float
    mu: float | None = None
    lr: float | None = None
    calibration: int = 0


def run(quick: bool = False, csv=None, plot=None) -> list[dict]:
    """Return the rows; write the curves to the file `csv` and draw them to `plot`. quick: only show that it runs."""
    curves = measure(quick)
    if csv is not None:
        write_csv(curves, csv)
    if plot is not None:
        plot_methods(curves, plot)
    return rows_of(curves, 1 if quick else len(SEEDS))


def methods() -> dict:
    """Return METHODS, and the default settings of the table's rows that are missing there."""
    have = {settings.row.name for settings in METHODS.values()}
    return {**METHODS, **{row.name: row.defaults() for row in ESTIMATORS if row.name not in have}}


def measure(quick: bool = False) -> list[Curve]:
    """Return a Curve of every method, and of the solved head."""
    from threadpoolctl import threadpool_limits

    budget, factors, seeds = (QUICK_BUDGET, FACTORS[1:2], SEEDS[:1]) if quick else (BUDGET, FACTORS, SEEDS)
    points = [*(point for point in POINTS if point < budget), int(budget)]
    digits, curves, done = load_digits(), [], 0
    tried = methods()
    with threadpool_limits(limits=1), live_bar(len(tried) * (len(factors) + len(seeds)), "runs") as update:
        for name, estimator in tried.items():
            choices, spent = _choices(estimator, factors, digits)
            scores = []
            for settings in choices:
                scores.append(_run(*settings, TUNING, budget, points, digits)[1])
                done += 1
                update(done, name)
            (estimator, link), runs = choices[int(np.argmax(scores))], []
            for seed in seeds:
                runs.append(_run(estimator, link, seed, budget, points, digits))
                done += 1
                update(done, name)
            tier, seen = estimator.row.tier, np.array([accuracies for accuracies, _ in runs])
            curves.append(
                Curve(
                    name,
                    tier,
                    repr(estimator),
                    points,
                    *_spread(seen),
                    mean(validation for _, validation in runs),
                    estimator.mu,
                    link.lr,
                    spent,
                )  # fmt: skip
            )
    return [*curves, _head(seeds, digits)]


def _choices(estimator, factors, digits) -> tuple[list, int]:
    """Return (estimator, update) pairs to choose from, and the forwards spent to find them."""
    if estimator.coefficients_are == "moves":
        return [(replace(estimator, mu=mu), SGD(1.0)) for mu in STEPS[: len(factors)]], 0
    found = calibrate(network(TUNING), digits.train, estimator=estimator, update=Adam(), batch_size=BATCH, seed=TUNING)
    return [(found.estimator, with_lr(found.update, found.lr * factor)) for factor in factors], found.forwards


def network(seed: int) -> Model:
    """Return the network 64-32-10."""
    return Sequential(64, [Linear(32), ReLU(), Linear(10)], seed=seed)


def _run(estimator, update, seed: int, budget, points, digits) -> tuple[list[float], float]:
    """Train; return the test accuracy after the last step within each point, and the final validation accuracy."""
    model, seen = network(seed), []
    thetas = [model.theta]

    def look(step, run):
        while run.forwards > points[len(seen)]:
            seen.append(Model(model.graph, thetas[-1], model.frozen).accuracy(*digits.test))
        thetas[:] = [run.model.theta]

    result = train(
        model, digits.train, estimator=estimator, update=update, batch_size=BATCH, max_forwards=budget, seed=seed,
        callbacks=look, progress=False,
    )  # fmt: skip
    seen += [result.model.accuracy(*digits.test)] * (len(points) - len(seen))
    return seen, result.model.accuracy(*digits.validation)


def _head(seeds, digits) -> Curve:
    """Return the Curve of untrained features with a solved head."""
    models = [fit_head(network(seed), digits.train, validation=digits.validation) for seed in seeds]
    accuracy, std = _spread(np.array([[model.accuracy(*digits.test)] for model in models]))
    validation = mean(model.accuracy(*digits.validation) for model in models)
    return Curve("head", "closed-form", "fit_head", [len(digits.train.x)], accuracy, std, validation)


def _spread(seen) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation over the seeds, at each point."""
    return seen.mean(axis=0).tolist(), [stdev(column) if len(column) > 1 else 0.0 for column in seen.T.tolist()]


def rows_of(curves, n_seeds: int) -> list[dict]:
    """Return the rows of the benchmark, which describe the ends of the curves."""
    trained = [curve for curve in curves if curve.tier != "closed-form"]
    best = max(trained, key=lambda curve: curve.validation)
    black = max((curve for curve in trained if curve.tier == "black-box"), key=lambda curve: curve.validation)
    cases = [(CASE, best), (f"{CASE}/black-box", black), *((f"{CASE}/{curve.name}", curve) for curve in curves)]
    floor = curves[-1].accuracy[-1]
    return [made for case, curve in cases for made in _rows(case, curve, floor, n_seeds)]


def _rows(case: str, curve: Curve, floor: float, n_seeds: int) -> list[dict]:
    accuracy, note = curve.accuracy[-1], f"{curve.tier}: {curve.name}"
    values = {"validation_accuracy": curve.validation, "forwards": curve.forwards[-1]}
    within = [forwards for forwards, reached in zip(curve.forwards, curve.accuracy) if reached >= 0.9]
    if within:
        values["forwards_to_0.9"] = within[0]
    if curve.lr is not None:
        values |= {"mu": curve.mu, "lr": curve.lr, "calibration_forwards": curve.calibration}
    first = row("estimators", case, "test_accuracy", accuracy, "", note, accuracy / floor, n_seeds, curve.std[-1])
    return [first, *(row("estimators", case, name, value, "", note, seeds=n_seeds) for name, value in values.items())]


def write_csv(curves, path) -> None:
    """Write one line per point: method, tier, settings, forwards, test accuracy and its std over the seeds."""
    with replacing(path) as draft, open(draft, "w", newline="", encoding="utf-8") as file:
        out = tables.writer(file, lineterminator="\n")
        out.writerow(["method", "tier", "estimator", "lr", "forwards", "test_accuracy", "std"])
        for curve in curves:
            for point in zip(curve.forwards, curve.accuracy, curve.std):
                numbers = [point[0], *(f"{value:.4f}" for value in point[1:])]
                out.writerow([curve.name, curve.tier, curve.settings, curve.lr, *numbers])
