# SPDX-License-Identifier: MIT
"""Pictures, through matplotlib (extra `plot`)."""

from __future__ import annotations

import numpy as np


def _figure(columns: int = 1):
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "bpfree[plot]"') from error
    figure = Figure(figsize=(6.4 * columns, 4.0), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def smooth(values, width: int) -> np.ndarray:
    """Running mean over up to `width` values."""
    totals = np.concatenate([[0.0], np.cumsum(values)])
    stops = np.arange(1, len(values) + 1)
    starts = np.maximum(0, stops - width)
    return (totals[stops] - totals[starts]) / (stops - starts)


def draw_run(axis, run, label: str = "") -> None:
    """Loss (left) and validation accuracy (right) against forwards."""
    per_step = run.forwards / max(1, len(run.losses))
    forwards = per_step * np.arange(1, len(run.losses) + 1)
    axis.plot(forwards, smooth(run.losses, 50), color="tab:blue", label=f"{label}probe loss")
    axis.set_xlabel("forwards (samples passed through the network)")
    axis.set_ylabel("loss", color="tab:blue")
    if run.validation:
        steps, accuracies = zip(*run.validation, strict=True)
        right = axis.twinx()
        right.plot(per_step * np.array(steps), accuracies, color="tab:green", label=f"{label}validation accuracy")
        right.set_ylabel("validation accuracy", color="tab:green")


def plot_run(run, path) -> None:
    """Save draw_run as one picture."""
    figure, (axis,) = _figure()
    draw_run(axis, run)
    axis.set_title(f"{run.model.graph.n_theta} parameters, forward passes only")
    figure.savefig(path)
