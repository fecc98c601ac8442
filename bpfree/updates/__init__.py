# SPDX-License-Identifier: MIT
"""The table of updates: one file a row."""

from __future__ import annotations

from bpfree.registry import Table
from bpfree.updates import adam, momentum, sgd, sign_sgd, weight_decay

UPDATES = Table("updates", [sgd.ROW, momentum.ROW, sign_sgd.ROW, adam.ROW, weight_decay.ROW])
"""Joined with the C side by the generated updates.gen.def."""
