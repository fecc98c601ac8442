# SPDX-License-Identifier: MIT
"""The table of schedules, one file per row."""

from __future__ import annotations

from bpfree.registry import Table, travel_by_name
from bpfree.schedules import cosine_decay, exponential_decay, linear_decay, power_decay

SCHEDULES = Table("schedules", [cosine_decay.ROW, exponential_decay.ROW, linear_decay.ROW, power_decay.ROW])
"""The schedules, joined with their C functions by the generated schedules.gen.def."""

travel_by_name(SCHEDULES, __name__, "SCHEDULES")
