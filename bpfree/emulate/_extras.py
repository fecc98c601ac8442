# SPDX-License-Identifier: MIT
"""Loads the optional packages of ``bpfree[emulate]`` on first use, and says how to get missing ones."""

from __future__ import annotations

import importlib
from types import ModuleType


def need(module: str) -> ModuleType:
    """Import and return an optional `module`, e.g. ``"unicorn"``.

    Raises:
        ImportError: the module is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{module} is needed to compile and emulate firmware: pip install "bpfree[emulate]"'
        ) from error
