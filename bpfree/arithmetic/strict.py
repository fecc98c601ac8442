# SPDX-License-Identifier: MIT
"""Whether this thread computes as equal bits need: the twin of `bpfree_check_arithmetic`, for engines without C."""

from __future__ import annotations

import numpy as np

from bpfree.errors import NOT_STRICT, NumericError

_ONE, _LITTLE = np.ones(2, np.float32), np.array([2.0**-30, -(2.0**-30)], np.float32)
_TINY = np.frombuffer(np.array([0x00800000, 0x00000200], "u4").tobytes(), np.float32)  # 2^-126, 2^-140
_FACTORS = np.array([0.5, 2.0**20], np.float32)
_NEAREST = np.array([0x3F800000] * 2, "u4").tobytes()
_GRADUAL = np.array([0x00400000, 0x03800000], "u4").tobytes()  # 2^-127, 2^-120


def check_arithmetic(what: str) -> None:
    """Raise NumericError, which begins with `what`, unless sums round to nearest and subnormal numbers are kept."""
    if (_ONE + _LITTLE).tobytes() != _NEAREST or (_TINY * _FACTORS).tobytes() != _GRADUAL:
        raise NumericError(f"{what}: {NOT_STRICT}")
