# SPDX-License-Identifier: MIT
"""The table of updates: one file a row."""

from __future__ import annotations

from bpfree.registry import Table
from bpfree.updates import sgd

UPDATES = Table("updates", [sgd.ROW])
"""Joined with the C side by the generated updates.gen.def."""
