# SPDX-License-Identifier: MIT
"""The result of running a firmware, and the error where it fails."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .channels import PAINT
from .elf import Image

_GUARD = 32  # bytes


class EmulationError(RuntimeError):
    """The firmware did not end normally.

    `pc` is the program counter (an address) where it stopped, `symbol` the function there, `advice` what to try.
    Outside unicorn `pc` is None and `symbol` "?".
    """

    def __init__(self, what: str, *, advice: str, pc: int | None = None, symbol: str = "?") -> None:
        place = "" if pc is None else f" at pc {pc:#010x} ({symbol})"
        super().__init__(f"{what}{place}. {advice}")
        self.pc = pc
        self.symbol = symbol
        self.advice = advice


@dataclass(frozen=True)
class Mark:
    """A numbered point that the firmware passed."""

    number: int
    instructions: int | None  #: instructions retired since counting began; None while they are not counted
    stack_bytes: int | None  #: bytes of stack in use at this point, which is not the peak; None outside unicorn


@dataclass(frozen=True, eq=False)
class EmulationResult:
    """The exit code of a run and everything that the firmware sent."""

    exit_code: int  #: the value that main returned
    words: np.ndarray  #: (n,) uint32, the words sent on PORT_WORD; .view(np.float32) for coefficients
    hash: int | None  #: 64 bits, the last pair of words sent on PORT_HASH
    marks: list[Mark]
    text: str
    instructions: int | None  #: instructions of the run or between the marks of count_between; None if not counted
    stack_bytes: int | None  #: peak use of the stack in bytes, found by painting it; None on the host
    fpu_enabled: bool  #: whether the firmware switched its FPU on, without which float instructions fault on hardware
    _image: Image = field(repr=False)
    _memory: dict[int, bytes] = field(repr=False)  # address of an area -> its contents at the end

    def read_symbol(self, name: str, n_bytes: int) -> bytes:
        """Return `n_bytes` bytes of memory from the address of variable `name`, as the run left them.

        Raises:
            KeyError: the firmware has no such symbol.
            ValueError: the bytes are not in flash or RAM.
        """
        address = self._image.address_of(name)
        for origin, contents in self._memory.items():
            if origin <= address and address + n_bytes <= origin + len(contents):
                return contents[address - origin : address - origin + n_bytes]
        raise ValueError(f"name: expected a variable in flash or RAM, got {n_bytes} bytes of {name} at {address:#010x}")


def signed(value: int, bits: int = 32) -> int:
    """Return a word as the int that main returned."""
    return value - (1 << bits) if value >> bits - 1 else value


def stack_peak(image: Image, origin: int, ram: bytes) -> int:
    """Return the bytes of stack that were used, by the paint that is left in `ram`, which begins at `origin`.

    Raises EmulationError where no guard of paint is left above the variables: frames have gaps that are never
    written, so a stack that went on below may have left a little.
    """
    limit, top = (image.address_of(name) - origin for name in ("__stack_limit", "__stack_top"))
    used = np.flatnonzero(np.frombuffer(ram, np.uint8)[limit:top] != PAINT)
    if used.size and used[0] < _GUARD:
        what = f"the stack overran the variables, or came within {_GUARD} bytes of them"
        raise EmulationError(what, advice="Make the arrays on the stack smaller or static.")
    return int(top - limit - used[0]) if used.size else 0
