# SPDX-License-Identifier: MIT
"""Draws pictures with matplotlib (extra `plot`)."""

from __future__ import annotations

import numpy as np


def make_figure(columns: int = 1, rows: int = 1):
    """Return a figure and its axes, an array (rows, columns)."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "bpfree[plot]"') from error
    figure = Figure(figsize=(6.4 * columns, 4.0 * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _figure(columns: int = 1):
    figure, axes = make_figure(columns)
    return figure, axes[0]


def smooth(values, width: int) -> np.ndarray:
    """Return the running mean (n,) over the last `width` values, or fewer at the start, without those that are NaN."""
    known = ~np.isnan(values)
    totals, counts = (np.concatenate([[0], np.cumsum(part)]) for part in (np.where(known, values, 0.0), known))
    stops = np.arange(1, len(values) + 1)
    starts = np.maximum(0, stops - width)
    counted = counts[stops] - counts[starts]
    return np.where(counted, totals[stops] - totals[starts], np.nan) / np.maximum(counted, 1)


def draw_run(axis, run) -> None:
    """Draw the loss (left scale) and the validation metric (right scale) against forwards."""
    per_step = run.forwards / max(1, len(run.losses))
    forwards = per_step * np.arange(1, len(run.losses) + 1)
    axis.plot(forwards, smooth(run.losses, 50), color="tab:blue")
    axis.set_xlabel("forwards (passes of one sample through the network)")
    axis.set_ylabel("loss", color="tab:blue")
    if run.history:
        right = axis.twinx()
        looks = [(row.forwards, row.value) for row in run.history]
        right.plot(*zip(*looks, strict=True), color="tab:green", marker="." if len(looks) < 40 else "")
        right.set_ylabel(f"validation {run.metric}", color="tab:green")
        if run.best:
            right.axvline(per_step * run.best.step, color="grey", linestyle=":")


def plot_run(run, path) -> None:
    """Save the picture that draw_run draws."""
    figure, (axis,) = _figure()
    draw_run(axis, run)
    axis.set_title(f"{run.model.graph.n_theta} parameters, forward passes only")
    figure.savefig(path)


TIER_COLOURS = {"black-box": "winter", "layer-access": "autumn", "closed-form": "gray"}
"""Colour map of the methods of each tier."""


def plot_methods(curves, path) -> None:
    """Save accuracy against forwards of several methods; each curve has name, tier, forwards and accuracy (n,)."""
    from matplotlib import colormaps

    figure, (axis,) = _figure()
    figure.set_size_inches(8.5, 4.8)
    for tier, colours in TIER_COLOURS.items():
        own = [curve for curve in curves if curve.tier == tier]
        for turn, curve in enumerate(own):
            axis.plot(
                curve.forwards, curve.accuracy, color=colormaps[colours](0.8 * turn / max(1, len(own) - 1)),
                linestyle=("-", "--")[turn % 2], marker="osvD^"[turn % 5], markersize=4, linewidth=1.2,
                label=f"{curve.name} ({curve.tier})",
            )  # fmt: skip
    axis.set(xscale="log", xlabel="forwards (passes of one sample through the network)", ylabel="test accuracy")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=120)


def plot_errors(curves, path) -> None:
    """Save relative L2 error against forwards; curves holds [(forwards, seconds, error), ...] by name."""
    figure, (axis,) = _figure()
    for name, looks in curves.items():
        looks = [look for look in looks if look[0] > 0 and look[2] > 0]
        axis.plot([look[0] for look in looks], [look[2] for look in looks], marker=".", label=name)
    axis.set(xscale="log", yscale="log", ylabel="relative L2 error")
    axis.set_xlabel("forwards (passes of one sample through the network)")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def plot_demo(runs, device_run, floor: float, path) -> None:
    """Save loss and accuracy of training on the computer and then on the device, beside the floor."""
    figure, (loss, accuracy) = _figure(2)
    start = 0
    for run, name in [*((run, "computer") for run in runs), (device_run, "device (same bits)")]:
        forwards = start + run.forwards * np.arange(1, len(run.losses) + 1) / max(1, len(run.losses))
        colour = "tab:blue" if name == "computer" else "tab:red"
        loss.plot(forwards, smooth(run.losses, 50), color=colour)
        if run.validation:
            steps, values = zip(*run.validation, strict=True)
            accuracy.plot(forwards[np.array(steps) - 1], values, color=colour, label=name if start == 0 else None)
        start += run.forwards
    loss.set_yscale("log")
    loss.set_ylabel("loss (mean of the probes)")
    accuracy.axhline(floor, color="grey", linestyle="--", label="floor: random features + ridge")
    accuracy.set_ylabel("validation accuracy")
    for axis in (loss, accuracy):
        axis.set_xlabel("forwards (passes of one sample through the network)")
    accuracy.legend(loc="lower right")
    figure.savefig(path, dpi=120)
