# SPDX-License-Identifier: MIT
"""The result of running a firmware, and the error where it fails."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .elf import Image


class EmulationError(RuntimeError):
    """The firmware did not end normally.

    `pc` is the program counter (an address) where it stopped, `symbol` the function there, `advice` what to try.
    """

    def __init__(self, what: str, *, pc: int, symbol: str, advice: str) -> None:
        super().__init__(f"{what} at pc {pc:#010x} ({symbol}). {advice}")
        self.pc = pc
        self.symbol = symbol
        self.advice = advice


@dataclass(frozen=True)
class Mark:
    """A numbered point that the firmware passed."""

    number: int
    instructions: int | None  #: instructions retired since counting began; None while they are not counted
    stack_bytes: int  #: bytes of stack in use at this point, which is not the peak


@dataclass(frozen=True, eq=False)
class EmulationResult:
    """The exit code of a run and everything that the firmware sent."""

    exit_code: int  #: the value that main returned
    words: np.ndarray  #: (n,) uint32, the words sent on PORT_WORD; .view(np.float32) for coefficients
    hash: int | None  #: 64 bits, the last pair of words sent on PORT_HASH
    marks: list[Mark]
    text: str
    instructions: int | None  #: instructions of the run or between the marks of count_between; None if not counted
    stack_bytes: int  #: peak use of the stack in bytes, found by painting it before the run
    fpu_enabled: bool  #: whether the firmware set CPACR; otherwise float instructions would fault on hardware
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
