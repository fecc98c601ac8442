# SPDX-License-Identifier: MIT
"""The table of updates: one file a row."""

from __future__ import annotations

from bpfree.registry import Table, travel_by_name
from bpfree.updates import adam, momentum, normalize, sgd, sign_sgd, stale, weight_decay, window_momentum

ROWS = [
    sgd.ROW, momentum.ROW, sign_sgd.ROW, adam.ROW, weight_decay.ROW, normalize.ROW, window_momentum.ROW, stale.ROW,
]  # fmt: skip
UPDATES = Table("updates", ROWS)
"""Joined with the C side by the generated updates.gen.def."""

travel_by_name(UPDATES, __name__, "UPDATES")
