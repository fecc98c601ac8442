# SPDX-License-Identifier: MIT
"""A loss of your own: quantiles, by a function of outputs and targets.

The network says, for every x, the values below which 10, 50 and 90 % of the noisy y
lie. No derivative is given: black-box estimators need none, and those that look into
the layers measure it.

Run it with `python examples/own_loss.py`; it takes a few seconds. On the command line:
`bpfree train data.npz --rows examples/own_loss.py --loss pinball --layers "linear(16) tanh linear(3)"`,
of an x (n, features) and a y (n,) of floats.
"""

from __future__ import annotations

import numpy as np

import bpfree as bf

LEVELS = np.array([0.1, 0.5, 0.9], np.float32)


def pinball(outputs, targets):
    """Koenker and Bassett's loss: outputs (n, 3), targets (n,) -> (n,)."""
    if outputs.shape[1:] != LEVELS.shape:
        raise ValueError(f"outputs: expected {len(LEVELS)}, one a level, got {outputs.shape[1]}")
    error = targets[:, None] - outputs
    return np.maximum(LEVELS * error, (LEVELS - 1) * error).mean(axis=1)


def samples(n, seed):
    """Return x (n, 1), and y (n,) whose noise grows with x."""
    chance = np.random.default_rng(seed)
    x = chance.uniform(0, 1, (n, 1)).astype(np.float32)
    return x, np.sin(4 * x[:, 0]) + (0.1 + 0.4 * x[:, 0]) * chance.normal(size=n)


def main(steps=600):
    """Train by two estimators; print the shares of unseen y below each quantile, and return them."""
    model = bf.Sequential(1, [bf.Linear(16), bf.Tanh(), bf.Linear(len(LEVELS))])
    (x, y), shares = samples(4000, seed=1), {}
    for estimator in (bf.RGE(n_queries=8), bf.UnitWise()):
        run = bf.train(
            model, samples(2000, seed=0), loss=pinball, estimator=estimator,
            update=bf.Adam(bf.cosine_decay(0.03, steps)), batch_size=64, max_steps=steps,
        )  # fmt: skip
        below = (y[:, None] < run.model.predict(x)).mean(axis=0)
        shares[type(estimator).__name__] = below
        print(f"{estimator}\n{run.summary()}")
        print("share of y below the quantiles:", "  ".join(f"{s:.1%} ({q:.0%})" for s, q in zip(below, LEVELS)), "\n")
    return shares


if __name__ == "__main__":
    main()
