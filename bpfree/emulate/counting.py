# SPDX-License-Identifier: MIT
"""Counts retired instructions with one call per basic block instead of one per instruction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def count_instructions(code: bytes, width: Callable[[int], int]) -> int:
    """Return the number of instructions in `code`, which begins and ends at their boundaries.

    width: the bytes of the instruction that begins with a halfword.
    """
    i = count = 0
    while i < len(code):
        i += width(code[i] | code[i + 1] << 8)
        count += 1
    return count


class BlockCounter:
    """Adds up the instructions of each basic block as it is entered; `count` is the sum.

    Instructions that an IT block skips count too, because they take an issue slot in hardware and qemu counts them.
    """

    def __init__(self, uc: Any, hook_block: int, width: Callable[[int], int], limit: int | None = None) -> None:
        """Count on the unicorn machine `uc` and stop it beyond `limit`; `hook_block` is the constant UC_HOOK_BLOCK.

        width: the bytes of the instruction that begins with a halfword.
        """
        self.count = 0
        self.exceeded = False
        self._uc, self._width = uc, width
        self._limit = limit
        self._sizes: dict[tuple[int, int], int] = {}
        self._block = (0, 0)
        self._hook: int | None = None
        self._hook_block = hook_block

    @property
    def active(self) -> bool:
        """Whether the hook is in place."""
        return self._hook is not None

    def start(self) -> None:
        """Count from now on; call only while the machine is stopped."""
        self._uc.ctl_flush_tb()  # blocks translated earlier lack the hook
        self._hook = self._uc.hook_add(self._hook_block, self._on_block)

    def stop(self) -> None:
        """Remove the hook, so that the rest runs at full speed; call only while the machine is stopped."""
        self._uc.hook_del(self._hook)
        self._uc.ctl_flush_tb()
        self._hook = None

    def trim(self, address: int) -> None:
        """Subtract the instructions of the current block from `address` on, which are counted but have not run."""
        start, size = self._block
        if start <= address < start + size:
            rest = bytes(self._uc.mem_read(address, start + size - address))
            self.count -= count_instructions(rest, self._width)

    def _on_block(self, uc: Any, address: int, size: int, _user: object) -> None:
        key = self._block = (address, size)
        n = self._sizes.get(key)
        if n is None:
            n = self._sizes[key] = count_instructions(bytes(uc.mem_read(address, size)), self._width)
        self.count += n
        if self._limit is not None and self.count > self._limit:
            self.exceeded = True
            uc.emu_stop()
