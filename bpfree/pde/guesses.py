# SPDX-License-Identifier: MIT
"""What trivial answers to a PDE reach, to stand beside every trained number."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from bpfree.pde.fields import Coordinates


def reference_at(problem, points) -> np.ndarray:
    """The problem's reference (n, outputs), checked: (n,) would be compared with every prediction there is."""
    found, shape = np.asarray(problem.reference(points), float), (len(points), len(problem.outputs))
    if found.shape != shape:
        raise ValueError(f"reference: expected {shape} at {len(points)} points, got {found.shape}")
    return found


def floors(problem, points) -> dict[str, float]:
    """Relative L2 error of the best combination of each of the problem's guesses, in the place of the network.

    problem.guesses: {name: (function of c, ...)}. The ansatz must be affine in the network, A + B f: the best f is
    then least squares, each output on its own; none () is the zero network.
    """
    if problem.reference is None:
        raise ValueError(f"floors: expected a problem with a reference, got {problem.name}")
    wanted, c = reference_at(problem, points), Coordinates(problem.domain, points, fields=problem.fields)
    size = np.linalg.norm(wanted)

    def ansatz(f):
        """(n, outputs) where the network is f, for all outputs."""
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
