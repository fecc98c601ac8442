# SPDX-License-Identifier: MIT
"""What a run of firmware gives back, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .elf import Image


class EmulationError(RuntimeError):
    """The firmware did not come to a regular end.

    `pc` is the program counter (address) when it stopped, `symbol` the function there, `advice` what to try.
    """

    def __init__(self, what: str, *, pc: int, symbol: str, advice: str) -> None:
        super().__init__(f"{what} at pc {pc:#010x} ({symbol}). {advice}")
        self.pc = pc
        self.symbol = symbol
        self.advice = advice


@dataclass(frozen=True)
class Mark:
    """A numbered point the firmware passed."""

    number: int
    instructions: int | None  #: retired since counting began; None while nothing counts
    stack_bytes: int  #: stack in use at this point (not the peak)


@dataclass(frozen=True, eq=False)
class EmulationResult:
    """The end of a run and all that the firmware sent."""

    exit_code: int  #: what main returned
    words: np.ndarray  #: (n,) uint32, the words sent on PORT_WORD; .view(np.float32) for coefficients
    hash: int | None  #: 64 bits, the last pair sent on PORT_HASH
    marks: list[Mark]
    text: str
    instructions: int | None  #: counted in all, or between the two marks of count_between; None if not counted
    stack_bytes: int  #: peak, by painting the stack before the run
    fpu_enabled: bool  #: CPACR was opened; a float instruction before that would fault on hardware
    _image: Image = field(repr=False)
    _memory: dict[int, bytes] = field(repr=False)  # origin -> contents at the end

    def read_symbol(self, name: str, n_bytes: int) -> bytes:
        """Returns `n_bytes` bytes of memory from the address of variable `name`, as the run left them.

        Raises:
            KeyError: the firmware has no such symbol.
            ValueError: the bytes do not lie in flash or RAM.
        """
        address = self._image.address_of(name)
        for origin, contents in self._memory.items():
            if origin <= address and address + n_bytes <= origin + len(contents):
                return contents[address - origin : address - origin + n_bytes]
        raise ValueError(f"{n_bytes} bytes at {name} ({address:#010x}) do not lie in flash or RAM")
