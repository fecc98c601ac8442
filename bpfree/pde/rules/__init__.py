# SPDX-License-Identifier: MIT
"""Derivative rules: one file each, joined in one table."""

from __future__ import annotations

from bpfree.pde.rules import taylor
from bpfree.registry import Table

RULES = Table("rules", [taylor.ROW])
