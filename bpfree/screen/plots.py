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


def plot_demo(before, after, runs, found, path) -> None:
    """Save pictures of the world before and after it changed, and how the accuracy came back on the device.

    before, after: image samples of 8 x 8 pixels. runs: two trainings of the device by their names, validated in the
    changed world. found: accuracies on test samples, of which those at the end are drawn dotted.
    """
    figure, (pictures, accuracy) = _figure(2)
    figure.set_size_inches(11.0, 4.0)
    first = [int(np.flatnonzero(before.labels == digit)[0]) for digit in range(5)]
    rows = [np.hstack([np.pad(samples.x[k].reshape(8, 8), 1) for k in first]) for samples in (before, after)]
    pictures.imshow(np.vstack(rows), cmap="gray", vmin=0, vmax=1)
    pictures.set(xticks=[], yticks=[5, 15], yticklabels=["trained on", "now"], title="the world changes")
    steps = next(iter(runs.values())).validation[-1][0]
    around = 0.15 * steps
    accuracy.plot([-around, 0, 0], [found.before, found.before, found.changed], color="tab:blue", label="computer")
    for (name, run), colour in zip(runs.items(), ("tab:red", "tab:orange"), strict=True):
        looks = np.array([(0, found.changed), *run.validation])
        accuracy.plot(*looks.T, color=colour, label=f"device, {name} (validation)")
        accuracy.plot([steps, steps + around], 2 * [found.adapted[name]], color=colour, linestyle=":")
    accuracy.axhline(found.floor, color="grey", linestyle="--", label="floor: random features + ridge")
    accuracy.set(xlabel="steps on the device", ylabel="accuracy", ylim=(0, 1), title="and the device adapts")
    accuracy.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=120)
