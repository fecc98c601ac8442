# SPDX-License-Identifier: MIT
"""Draws pictures of a solution with matplotlib (extra `plot`)."""

from __future__ import annotations

import numpy as np

from bpfree.pde.domain import Normal
from bpfree.pde.guesses import reference_at
from bpfree.pde.inside import among
from bpfree.screen.plots import make_figure

FINE = 81
"""Number of points along an axis."""

FEW = 2
"""Number of coordinates up to which those that stay do so at their middle."""


def plot_solution(solution, path) -> None:
    """Save one row of pictures per output (solution, reference, error), and the history.

    One dimension is drawn as curves, two as colours. Of more dimensions, the last two columns vary, and the others
    stay at their middle; where more than two stay, they do so at a typical point of those where residuals are measured,
    because in many dimensions the middle is far from all of them. Nothing is drawn outside of points of one's own.
    """
    problem, known = solution.asked, solution.asked.reference is not None
    slices = _slices(problem.domain)
    held = problem.domain.dim - len(slices)
    panels = 3 if known and len(slices) == 2 else 1
    figure, axes = make_figure(panels + 1, len(problem.outputs))
    points, grid = _points(problem.domain, slices, _typical(solution) if held > FEW else None)
    inside = np.ones(len(points), bool)
    if solution.given is not None and not held:
        inside = among(solution.given, points, problem.domain, 1 / FINE)
    found = _spread(solution.predict(points[inside]), inside)
    wanted = _spread(reference_at(problem, points[inside]), inside) if known else None
    for k, (name, row) in enumerate(zip(problem.outputs, axes)):
        mine, theirs = found[:, k], wanted[:, k] if known else None
        if len(slices) == 1:
            _curves(row[0], grid[0], mine, theirs, name, slices[0][0])
        else:
            _colours(figure, row, grid, mine, theirs, name, [label for label, _ in slices])
        row[-1].set_visible(k == 0)
    _history(axes[0][-1], solution.history)
    where = "those of a typical point" if held > FEW else "their middle"
    figure.suptitle(f"{problem.name}, the other coordinates at {where}" if held else problem.name)
    figure.savefig(path, dpi=120)


def _spread(values, inside):
    """Return values (n, outputs), NaN where there are none."""
    found = np.full((len(inside), values.shape[1]), np.nan)
    found[inside] = values
    return found


def _typical(solution):
    """Return the point (dim,) whose distance from the middle is the median, in units of each coordinate."""
    points = solution.residual_points
    far = ((points - points.mean(axis=0)) ** 2 / points.var(axis=0).clip(np.finfo(float).tiny)).sum(axis=1)
    return points[np.argsort(far)[len(far) // 2]]


def _slices(domain):
    """Return (label, column) of the coordinates that vary: the last two, or their first components."""
    found = []
    for name in domain.names[-2:]:
        columns = domain.columns(name)
        found.append((name if len(columns) == 1 else f"{name}[0]", columns[0]))
    if len(found) == 1 and domain.dim > 1:
        columns = domain.columns(domain.names[-1])
        found.append((f"{domain.names[-1]}[1]", columns[1]))
    return found


def _points(domain, slices, others=None):
    """Return points (FINE^k, dim), and the grid of each varying coordinate; others: (dim,) for those that stay."""
    middle, grids = np.empty(domain.dim), []
    for name, one in domain.coordinates.items():
        low, high = (-2 * one.scale, 2 * one.scale) if isinstance(one, Normal) else (one.low, one.high)
        columns = list(domain.columns(name))
        middle[columns] = (low + high) / 2
        grids += [np.linspace(low, high, FINE) for _, column in slices if column in columns]
    grid = np.meshgrid(*grids, indexing="ij")
    points = np.tile(middle if others is None else others, (grid[0].size, 1))
    for (_, column), values in zip(slices, grid):
        points[:, column] = values.ravel()
    return points, grid


def _curves(axis, grid, mine, theirs, name, label):
    if theirs is not None:
        axis.plot(grid, theirs, color="black", linestyle=":", label="reference")
    axis.plot(grid, mine, color="tab:blue", label="solution")
    axis.set(xlabel=label, ylabel=name)
    axis.legend()


def _colours(figure, row, grid, mine, theirs, name, labels):
    pictures = [(mine, name, "viridis")]
    if theirs is not None:
        pictures += [(theirs, f"{name}, reference", "viridis"), (mine - theirs, f"{name}, error", "coolwarm")]
    for axis, (values, title, colours) in zip(row, pictures):
        shade = axis.pcolormesh(*grid, values.reshape(grid[0].shape), cmap=colours, shading="auto")
        figure.colorbar(shade, ax=axis)
        axis.set(title=title, xlabel=labels[0], ylabel=labels[1])


def _history(axis, history):
    looks = history.looks
    forwards = [max(1, look.forwards) for look in looks]
    axis.loglog(forwards, [look.loss for look in looks], color="tab:blue", label="loss")
    if not all(np.isnan(look.error) for look in looks):
        axis.loglog(forwards, [look.error for look in looks], color="tab:red", label="relative L2 error")
    axis.set(xlabel="forwards (passes of one sample)", title="history")
    axis.legend()
