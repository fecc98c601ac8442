# SPDX-License-Identifier: MIT
"""The journal: the scalars from which a run can be rebuilt, bit for bit, without data.

A step of an estimator made of few probes is its coefficients: a few bytes.
Replaying them from the base parameters gives the same theta on every engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Journal:
    """SCALARS records of consecutive steps, from first_step on.

    records: one (groups, queries) array a step in the engine's precision,
    coefficients before the learning rate. base_hash: theta hash before the first of them.
    """

    base_hash: str
    first_step: int = 0
    records: list[np.ndarray] = field(default_factory=list)

    def append(self, coefficients) -> None:
        """Add the record of the next step."""
        self.records.append(np.array(coefficients))

    def __len__(self) -> int:
        return len(self.records)


def replay(journal: Journal, trainer, theta, engine) -> np.ndarray:
    """theta after all records, on any engine. Raises ValueError when theta is not the journal's base."""
    from bpfree.graph import theta_hash

    if theta_hash(theta) != journal.base_hash:
        raise ValueError(
            f"theta: expected the parameters the journal starts from (hash {journal.base_hash}), "
            f"got hash {theta_hash(theta)}"
        )
    state = trainer.update.init(theta)
    for step, coefficients in enumerate(journal.records, journal.first_step):
        theta, state = engine.apply(trainer, theta, state, step, coefficients)
    return theta
