# SPDX-License-Identifier: MIT
"""The compiled core, loaded on first use."""

from __future__ import annotations

from functools import cache

from bpfree.errors import CoreMissingError

_REMEDY = '`pip install .` or `make setup` (a C compiler, or `pip install ziglang`), or use engine="reference"'


@cache
def core():
    """Return the extension module bpfree._core; `.lib` and `.ffi` are its two halves.

    Raises CoreMissingError: it is not built, or it is there and does not load, and then why.
    """
    try:
        import bpfree._core as found
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "bpfree._core":
            text = f"the compiled core bpfree._core is not built. Build it with {_REMEDY}."
            raise CoreMissingError(text, built=False) from error
        text = f"the compiled core bpfree._core is built but does not load: {error}. Build it again with {_REMEDY}."
        raise CoreMissingError(text, built=True) from error
    return found


def available() -> bool:
    """Return whether the compiled core can be loaded."""
    try:
        core()
    except ImportError:
        return False
    return True
