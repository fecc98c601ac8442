# SPDX-License-Identifier: MIT
"""The most memory this process has had."""

from __future__ import annotations

import sys


def peak_ram_bytes() -> int | None:
    """Peak resident set in bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
