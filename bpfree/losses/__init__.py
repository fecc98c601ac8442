# SPDX-License-Identifier: MIT
"""The table of losses: one file a row."""

from __future__ import annotations

from bpfree.losses import mse, softmax_cross_entropy
from bpfree.losses.table import Loss
from bpfree.registry import Table

LOSSES = Table("losses", [softmax_cross_entropy.LOSS, mse.LOSS])
"""Joined with the C kernels by the generated losses.gen.def."""

ALIASES = {"cross_entropy": "softmax_cross_entropy"}
"""Short names that users write."""


def get_loss(name):
    """A row of the table by name or alias; a row is returned as it is."""
    if isinstance(name, Loss):
        return name
    if not isinstance(name, str):
        raise TypeError(f"loss: expected a name or a row of LOSSES, got {name!r}")
    return LOSSES[ALIASES.get(name, name)]
