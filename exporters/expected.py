# SPDX-License-Identifier: MIT
"""What an exported program must come to, computed here with the compiled engine: the hash that main.c compares with."""

from __future__ import annotations

from functools import partial

from bpfree import native
from bpfree.engines import get_engine
from bpfree.engines.batch import make_batch
from bpfree.estimators.step import MOST_SKIPPED, make_step
from bpfree.exporters.samples import Samples
from bpfree.graph import theta_hash

UNKNOWN = 0
"""In the place of a hash that nobody knows beforehand."""

_FNV_OFFSET, _FNV_PRIME, _64_BITS = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


def trained_hash(model, trainer, samples: Samples | None, steps: int) -> int:
    """The hash of theta after so many steps on the samples, of which main.c and this skip the same ones.

    UNKNOWN where the samples are a function of the user's, or where there is no compiled engine to compute with.
    """
    if samples is None or not native.available():
        return UNKNOWN
    engine, theta, state, skipped = get_engine("compiled"), model.theta, trainer.initial_state(model.theta), 0
    y = samples.labels if trainer.loss.labels else samples.targets
    batch = make_batch(model.graph, trainer.loss, samples.x, y, *((samples.weights,) if trainer.weighted else ()))
    batch = batch.with_mean_weight_1("samples.weights")
    for step in range(steps):
        drawn = batch.take(trainer.indices(step, len(batch)))
        made = make_step(
            trainer.estimate(engine, theta, drawn, step), partial(engine.apply, trainer), theta, state, step
        )
        skipped = skipped + 1 if made.failure else 0
        if skipped == MOST_SKIPPED:
            break
        theta, state = (theta, trainer.skip(state, step)) if made.failure else (made.theta, made.state)
    return int(theta_hash(theta), 16)


def predicted_hash(model, samples: Samples | None) -> int:
    """FNV-1a-64 of the hashes of all outputs, word by word; UNKNOWN as for `trained_hash`."""
    if samples is None or not native.available():
        return UNKNOWN
    hashed = _FNV_OFFSET
    for y in model.predict(samples.x, "compiled"):
        hashed = (hashed ^ int(theta_hash(y), 16)) * _FNV_PRIME & _64_BITS
    return hashed
