# SPDX-License-Identifier: MIT
"""What an update is: pure functions of theta, gradient and state."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.registry import HostOnly


@dataclass(frozen=True)
class UpdateRow:
    """One row of the table: settings class and C symbol.

    The settings class has init(theta) -> state (a flat list of arrays),
    update(gradient, state, theta, step) -> (theta, state), and settings, the
    floats its C side reads.
    """

    number: int
    name: str
    c: str | HostOnly
    settings: type
