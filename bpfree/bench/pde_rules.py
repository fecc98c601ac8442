# SPDX-License-Identifier: MIT
"""Rules for derivatives in space, side by side: their errors, passes, noise gains and seconds.

The network is that of HJB as it is initialised, D-512-512-1 with sine, at 100 points for D = 2, 5 and 21. The rules
estimate its Laplacian in the first D - 1 coordinates and its derivative in the last, which is time: in float64, in
float32, and in float64 with noise of standard deviation 1e-4 added to each value of u, as inexact hardware would add.
The exact derivatives follow from the formula of this network, written out coordinate by coordinate. Stein's rule has
as many random shifts as the sparse grid has nodes.
"""

from __future__ import annotations

import time
from functools import partial
from statistics import stdev

import numpy as np

from bpfree.bench.rows import missing, row
from bpfree.engines import ReferenceEngine
from bpfree.model import Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.sin import Sin
from bpfree.pde import Box, Differences, RandomDirections, SparseGrid, Stein, Taylor
from bpfree.pde.network import Network
from bpfree.pde.sparse_grids import count
from bpfree.pde.wanted import First, Laplacian

DIMS = (2, 5, 21)
NOISE = 1e-4
SIGMA = 0.1
"""Width of the smoothing; differences with the same reach have steps of sqrt(3) sigma."""
LONG = 1.0
"""Seconds of timing after which a rule is not timed again."""
INSIDE = "not applicable: the rule differentiates the network itself, and uses no values of u"


def rules(dim: int) -> dict:
    """Return the rules to compare, by name."""
    drawn = {"random_directions": RandomDirections(16, Differences())} if dim > 17 else {}  # else equal to differences
    return {
        "taylor": Taylor(),
        "differences": Differences(),
        "differences_4": Differences(order=4),
        "differences_wide": Differences(step=SIGMA * 3**0.5),
        **drawn,
        "stein": Stein(n=(count("gauss_hermite", dim, 3) - 1) // 2, sigma=SIGMA),
        "sparse_grid": SparseGrid(sigma=SIGMA),
        "sparse_grid_keister": SparseGrid(sigma=SIGMA, family="genz_keister"),
        "sparse_grid_richardson": SparseGrid(sigma=SIGMA, richardson=True),
    }


class Noisy(Network):
    """A network that adds noise to every value of u."""

    def __init__(self, graph, frozen, deviation: float, seed: int = 0):
        super().__init__(graph, frozen)
        self.deviation, self.random = deviation, np.random.default_rng(seed)

    def values(self, theta, points):
        """Return u with noise, (m, n)."""
        u = super().values(theta, points)
        return u + self.deviation * self.random.standard_normal(u.shape)


def measure(quick: bool = False, dims=DIMS, bench: str = "pde") -> list[dict]:
    """Return the rows of each D, rule and precision. quick: use fewer points and timings."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return [r for dim in dims for r in _dimension(bench, dim, 20 if quick else 100, 3 if quick else 15)]


def _dimension(bench, dim, n, repetitions):
    model = Sequential(dim, [Linear(512), Sin(), Linear(512), Sin(), Linear(1)], seed=0)
    wanted, domain = [Laplacian(tuple(range(dim - 1))), First(dim - 1)], Box(x=(0, 1, dim - 1), t=(0, 1))
    points, rows = np.random.default_rng(dim).random((n, dim)).astype(np.float32), []
    exact, plain = exact_derivatives(model, points.astype(np.float64)), {}
    for kind, network in _networks(model).items():
        own = points.astype(network.dtype)
        stencils = {name: rule.stencil(wanted, domain, network.dtype, seed=1) for name, rule in rules(dim).items()}
        calls = {name: partial(network.jets, model.theta, own, stencil) for name, stencil in stencils.items()}
        seconds = {} if kind == "noisy" else _seconds(calls, repetitions)
        for name, stencil in stencils.items():
            case = f"rules-d{dim}/{name}-{kind}"
            if kind == "noisy" and stencil.offsets is None:
                rows.append(missing(bench, case, "laplacian_error", "1", INSIDE))
                continue
            found = [stencil.layout.read(quantity, calls[name]()[1])[0] for quantity in wanted]
            plain.setdefault(name, found[0])
            rows += _rows(bench, case, stencil, wanted, found, exact)
            if kind == "noisy":
                spread, gain = float(np.std(found[0] - plain[name])) / NOISE, stencil.noise_gain(wanted[0])
                rows.append(row(bench, case, "noise_gain_measured", spread, "1", "declared", spread / gain))
            else:
                rows.append(_time_row(bench, case, seconds[name], f"taylor-{kind}", seconds["taylor"]))
    return rows


def _networks(model):
    """Return the networks by precision, float64 first, because the noise is measured against it."""
    engines = {dtype: ReferenceEngine(dtype=dtype) for dtype in ("float64", "float32")}
    plain = {dtype: Network(model.graph, model.frozen, engine) for dtype, engine in engines.items()}
    return plain | {"noisy": Noisy(model.graph, model.frozen, NOISE)}


def _rows(bench, case, stencil, wanted, found, exact):
    errors = [float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(found, exact)]
    return [
        row(bench, case, "laplacian_error", errors[0], "1", "exact"),
        row(bench, case, "gradient_error", errors[1], "1", "exact"),
        row(bench, case, "passes", stencil.passes, "passes"),
        row(bench, case, "noise_gain", stencil.noise_gain(wanted[0]), "1"),
    ]


def _time_row(bench, case, seconds, reference, theirs):
    """Return the row of the fastest repetition, which other work on the machine disturbs least."""
    value, spread = min(seconds), stdev(seconds) if len(seconds) > 1 else None
    return row(bench, case, "seconds", value, "s", reference, value / min(theirs), std=spread)


def _seconds(calls, repetitions):
    """Return the seconds of each call, one number per interleaved repetition; slow calls are not repeated."""
    seconds = {name: [] for name in calls}
    calls["taylor"]()  # libraries start their threads, which is not timed
    for _ in range(repetitions):
        for name, call in calls.items():
            if sum(seconds[name]) < LONG:
                started = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - started)
    return seconds


def exact_derivatives(model, points):
    """Return the Laplacian in all coordinates but the last, and the derivative in the last, both (n,).

    u    = w . sin(V sin(W x + b) + c)

    u_k  = w . [cos(z) V (cos(a) W_k)]
    u_kk = w . [-sin(z) (V (cos(a) W_k))^2 - cos(z) V (sin(a) W_k^2)],  a = W x + b, z = V sin(a) + c
    """
    first, b, second, c, last, _ = (p.astype(np.float64) for p in model.parameters().values())
    a = points @ first.T + b
    z = np.sin(a) @ second.T + c
    laplacian, derivative = 0.0, None
    for k in range(points.shape[1]):
        slope = (np.cos(a) * first[:, k]) @ second.T
        if k + 1 == points.shape[1]:
            derivative = (np.cos(z) * slope) @ last[0]
        else:
            curve = (np.sin(a) * first[:, k] ** 2) @ second.T
            laplacian = laplacian - (np.sin(z) * slope**2 + np.cos(z) * curve) @ last[0]
    return laplacian, derivative
