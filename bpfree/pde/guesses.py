# SPDX-License-Identifier: MIT
"""The errors of trivial answers to a PDE, with which trained ones are compared."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from bpfree.pde.fields import Coordinates


def reference_at(problem, points) -> np.ndarray:
    """Return the problem's reference (n, outputs); raise for another shape, such as (n,), which would broadcast."""
    found, shape = np.asarray(problem.reference(points), float), (len(points), len(problem.outputs))
    if found.shape != shape:
        raise ValueError(f"reference: expected shape {shape} at {len(points)} points, got {found.shape}")
    return found


def floors(problem, points) -> dict[str, float]:
    """Return, by name, the relative L2 error of the best linear combination of each guess, in place of the network.

    problem.guesses is {name: (function of c, ...)}, where an empty tuple means the zero network. The ansatz must be
    affine in the network, A + B f; the best f is then the least-squares solution for each output.
    """
    if problem.reference is None:
        raise ValueError(f"floors: expected a problem with a reference, got {problem.name}")
    wanted, c = reference_at(problem, points), Coordinates(problem.domain, points, fields=problem.fields)
    size = np.linalg.norm(wanted)

    def ansatz(f):
        """Return u (n, outputs) where every output of the network is f."""
        if problem.ansatz is not None:
            several = SimpleNamespace(**dict.fromkeys(problem.outputs, f))
            f = problem.ansatz(f if len(problem.outputs) == 1 else several, c)
        f = f if isinstance(f, tuple) else (f,) * len(problem.outputs)
        return np.stack([np.broadcast_to(one, (len(points),)) for one in f], axis=1)

    zero, one = ansatz(0.0), ansatz(1.0)
    missing, slope, found = wanted - zero, one - zero, {}
    for name, functions in problem.guesses.items():
        left = 0.0
        for b, target in zip(slope.T, missing.T):
            columns = [b * function(c) for function in functions]
            if columns:
                basis = np.stack(columns, axis=1)
                target = target - basis @ np.linalg.lstsq(basis, target)[0]
            left += target @ target
        found[name] = float(np.sqrt(left) / size)
    return found
