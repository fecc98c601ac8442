# SPDX-License-Identifier: MIT
"""The compiled core, loaded on first use. Only this room sees cffi."""

from __future__ import annotations

from functools import cache


@cache
def core():
    """The extension module bpfree._core; `.lib` and `.ffi` are its two halves."""
    from bpfree.errors import CoreMissingError

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


from bpfree.native.functions import (  # noqa: E402  (they load the core when called)
    batch_indices,
    contract_parts,
    isa_names,
    math32,
    permute,
    registry_name,
    schedule_factor,
    shuffle,
    theta_hash,
    threefry,
)

__all__ = [
    "available",
    "batch_indices",
    "contract_parts",
    "core",
    "isa_names",
    "math32",
    "permute",
    "registry_name",
    "schedule_factor",
    "shuffle",
    "theta_hash",
    "threefry",
]
