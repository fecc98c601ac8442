# SPDX-License-Identifier: MIT
"""The compiled core behind plain functions. Only this room sees cffi."""

from __future__ import annotations

from bpfree.native.functions import (
    batch_indices,
    contract_parts,
    isa_names,
    math32,
    outer_parts,
    permute,
    registry_name,
    schedule_factor,
    shuffle,
    theta_hash,
    threefry,
)
from bpfree.native.loading import available, core

__all__ = [
    "available",
    "batch_indices",
    "contract_parts",
    "core",
    "isa_names",
    "math32",
    "outer_parts",
    "permute",
    "registry_name",
    "schedule_factor",
    "shuffle",
    "theta_hash",
    "threefry",
]
