# SPDX-License-Identifier: MIT
"""The table of losses: one file a row."""

from __future__ import annotations

from bpfree.losses import mse, softmax_cross_entropy
from bpfree.registry import Table

LOSSES = Table("losses", [softmax_cross_entropy.LOSS, mse.LOSS])
"""Joined with the C kernels by the generated losses.gen.def."""

ALIASES = {"cross_entropy": "softmax_cross_entropy"}
"""Short names that users write."""


def get_loss(name):
    """A row of the table by name or alias; a row is returned as it is."""
    return LOSSES[ALIASES.get(name, name)] if isinstance(name, str) else name
