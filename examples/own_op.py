# SPDX-License-Identifier: MIT
"""Operations of your own: an activation in three lines, and a layer with parameters.

`snake` is x + sin(x)^2, which goes on as a wave where Tanh and ReLU do not. It has a
derivative, so all estimators can use it. `Prelu` learns its slope below zero: it says
what its parameters are called, and how they begin.

Run it with `python examples/own_op.py`; it takes a few seconds. A model with operations
of your own is saved as any other: `bf.Model.load(path, rows=[snake, PRELU])` reads it,
and `bpfree info model.npz --rows examples/own_op.py` shows it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import bpfree as bf


def wave(site, arithmetic, parameters, inputs):
    """x + sin(x)^2 of the only input."""
    sine = arithmetic.sin(inputs[0])
    return inputs[0] + sine * sine


def slope(site, arithmetic, x, y):
    """1 + 2 sin(x) cos(x)."""
    return 1 + 2 * arithmetic.sin(x) * arithmetic.cos(x)


snake = bf.elementwise_op("snake", wave, slope)


def same_shape(attributes, shapes):
    """Return the shape of the output: that of the first input."""
    return shapes[0]


def leaky(site, arithmetic, parameters, inputs):
    """x where that is above 0, else the learnt slope times x."""
    return np.where(inputs[0] > 0, inputs[0], parameters[0] * inputs[0])


def one_slope(site):
    """Return the names and shapes of the parameters."""
    return [("slope", (1,))]


def quarter(site, draw, gain):
    """Return their first values."""
    return [np.full(1, 0.25, np.float32)]


PRELU = bf.Op("prelu", infer=same_shape, forward=leaky, parameters=bf.Parameters(one_slope, quarter))


class Prelu:
    """The layer that users write."""

    def node(self, shape):
        """Return the operation and its attributes."""
        return PRELU, {}


def main(steps=300):
    """Fit a wave, and look beyond the samples; print the errors and return them."""
    x = np.linspace(-6, 6, 400, dtype=np.float32)[:, None]
    y, beyond = np.sin(2 * x), np.linspace(6, 7.5, 100, dtype=np.float32)[:, None]
    errors = {}
    for name, layer in (("snake", snake), ("prelu", Prelu()), ("tanh", bf.Tanh())):
        model = bf.Sequential(1, [bf.Linear(24), layer, bf.Linear(1)], seed=1)
        run = bf.train(
            model, (x, y), loss="mse", estimator=bf.CGE(), update=bf.Adam(bf.cosine_decay(0.1, steps)),
            batch_size=64, max_steps=steps,
        )  # fmt: skip
        inside, outside = (float(np.sqrt(np.mean((run.model.predict(at) - np.sin(2 * at)) ** 2))) for at in (x, beyond))
        errors[name] = inside, outside
        print(f"{name:6} error among the samples {inside:.3f}, beyond them {outside:.3f}; {run.fallback or 'compiled'}")
        path = Path(tempfile.mkdtemp()) / f"{name}.npz"
        run.model.save(path)
        assert bf.Model.load(path, rows=[snake, PRELU]).hash == run.model.hash
    return errors


if __name__ == "__main__":
    main()
