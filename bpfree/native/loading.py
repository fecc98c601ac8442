# SPDX-License-Identifier: MIT
"""The compiled core, loaded on first use."""

from __future__ import annotations

from functools import cache

from bpfree.errors import CoreMissingError


@cache
def core():
    """The extension module bpfree._core; `.lib` and `.ffi` are its two halves."""
    try:
        from bpfree import _core
    except ImportError as error:
        raise CoreMissingError(
            f"the compiled core bpfree._core is not there ({error}). Build it with `pip install .` or `make setup` "
            '(a C compiler, or `pip install ziglang`), or use engine="reference".'
        ) from error
    return _core


def available() -> bool:
    """Can the compiled core be loaded?"""
    try:
        core()
    except ImportError:
        return False
    return True
