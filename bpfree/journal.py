# SPDX-License-Identifier: MIT
"""The journal: the scalars from which a run can be rebuilt, bit for bit, without data.

A step of an estimator made of few probes is its coefficients: a few bytes.
Replaying them from the base parameters gives the same theta on every engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bpfree.engines import get_engine
from bpfree.graph import theta_hash


@dataclass
class Journal:
    """SCALARS records of consecutive steps of a run, from first_step on.

    base_hash: theta hash before the first of them. settings: the fingerprint of
    the run's Trainer. records: one (groups, queries) float32 array a step,
    coefficients before clip and learning rate.

    >>> import bpfree as bf
    >>> x, y = np.eye(4, dtype="f4"), np.arange(4) % 2
    >>> run = bf.train(bf.Sequential(4, [bf.Linear(2)]), (x, y), max_steps=3, batch_size=2, engine="reference")
    >>> len(run.journal), run.journal.records[0].shape
    (3, (1, 8))
    """

    base_hash: str
    settings: str
    first_step: int = 0
    records: list[np.ndarray] = field(default_factory=list)

    def append(self, coefficients) -> None:
        """Add the record of the next step."""
        self.records.append(np.array(coefficients, np.float32))

    def __len__(self) -> int:
        return len(self.records)


def replay(journal: Journal, trainer, theta, engine=None) -> np.ndarray:
    """theta after all records, on any engine (a name or an object), without data.

    Raises ValueError when theta is not the journal's base, or the trainer's
    graph, seed, estimator, update or batch size are not those it was written with.

    >>> import bpfree as bf
    >>> x, y = np.eye(4, dtype="f4"), np.arange(4) % 2
    >>> model = bf.Sequential(4, [bf.Linear(2)])
    >>> run = bf.train(model, (x, y), max_steps=3, batch_size=2, engine="reference")
    >>> again = replay(run.journal, run.trainer, model.theta, "exact")
    >>> bool((again == run.model.theta).all())
    True
    """
    for name, expected, got in (
        ("theta", journal.base_hash, theta_hash(theta)),
        ("trainer", journal.settings, trainer.fingerprint()),
    ):
        if got != expected:
            raise ValueError(f"{name}: expected the one the journal was written with ({expected}), got {got}")
    engine, state = get_engine(engine), trainer.update.init(theta)
    if journal.first_step and state:
        raise ValueError("journal: expected the run's first step, as the update has state; got a later one")
    for step, coefficients in enumerate(journal.records, journal.first_step):
        theta, state = engine.apply(trainer, theta, state, step, coefficients)
    return theta
