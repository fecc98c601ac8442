# SPDX-License-Identifier: MIT
"""Data sets that come with the package."""

from __future__ import annotations

from bpfree.datasets.digits import Digits, Samples, load_digits

__all__ = ["Digits", "Samples", "load_digits"]
