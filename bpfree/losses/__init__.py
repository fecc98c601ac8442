# SPDX-License-Identifier: MIT
"""The table of losses: one file a row."""

from __future__ import annotations

from bpfree.losses import mse, softmax_cross_entropy
from bpfree.losses.table import Loss
from bpfree.registry import Table, travel_by_name

LOSSES = Table("losses", [softmax_cross_entropy.LOSS, mse.LOSS])
"""Joined with the C kernels by the generated losses.gen.def."""

travel_by_name(LOSSES, __name__, "LOSSES")

ALIASES = {"cross_entropy": "softmax_cross_entropy"}
"""Short names that users write."""


def spoken_name(loss: Loss) -> str:
    """The name that users write."""
    return next((short for short, name in ALIASES.items() if loss is LOSSES[name]), loss.name)


def own_words(loss: Loss) -> tuple[str, ...]:
    """A loss of one's own in words, which C does not have; nothing for a row of the table."""
    return () if LOSSES.has(loss) else (f"loss {loss.name!r}",)


def get_loss(loss) -> Loss:
    """A row of the table by name or alias; a row as it is; a function of (outputs, targets) as a row of its own."""
    if isinstance(loss, Loss):
        LOSSES.check_own_name(loss)
        return loss
    if callable(loss) and not isinstance(loss, type):
        return Loss.of(loss)
    name = ALIASES.get(loss, loss) if isinstance(loss, str) else None
    if name not in LOSSES:
        names = ", ".join((*ALIASES, *LOSSES.names))
        expected = f"one of {names}, a function (outputs, targets) -> (n,), or a bpfree.Loss"
        raise (ValueError if name else TypeError)(f"loss: expected {expected}, got {loss!r}")
    return LOSSES[name]
