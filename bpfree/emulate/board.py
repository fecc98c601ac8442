# SPDX-License-Identifier: MIT
"""The emulated board: a processor, its flash and RAM, its system control page, and a mailbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._extras import need
from .elf import Image
from .targets import Target

MAILBOX = 0x4008_0000  # address, repeated from runtime_c/ports/cortex_m/port.h; a test compares the two
PAINT = 0xC5  # value of every byte of RAM at power-on

_PAGE = 0x1000  # bytes
_SYSTEM_CONTROL = 0xE000_E000  # address
_CPACR = 0xD88  # offset of the coprocessor access control register in system control
_FPU_OPEN = 0xF << 20


class Board:
    """A machine that has been switched on and has the firmware in its flash.

    `on_mail(offset, size, value)` is called for each store to the mailbox page, with the offset and the size
    of the store in bytes. `uc` is the unicorn machine, `unicorn` the module, and `bad_address` the last
    address whose access failed.
    """

    def __init__(self, row: Target, image: Image, on_mail: Callable[[int, int, int], None]) -> None:
        u = self.unicorn = need("unicorn")
        names = self._names = need("unicorn.arm_const")
        self.row = row
        self.bad_address: int | None = None
        self._cpacr = 0
        self._on_mail = on_mail
        uc = self.uc = u.Uc(getattr(u, row.unicorn_arch), sum(getattr(u, mode) for mode in row.unicorn_mode))
        uc.ctl_set_cpu_model(getattr(names, row.unicorn_cpu))
        uc.mem_map(row.flash_origin, row.flash_bytes, u.UC_PROT_READ | u.UC_PROT_EXEC)
        uc.mem_map(row.ram_origin, row.ram_bytes, u.UC_PROT_READ | u.UC_PROT_WRITE)
        uc.mem_write(row.ram_origin, bytes([PAINT]) * row.ram_bytes)
        for address, data in image.segments:
            uc.mem_write(address, data)
        # Memory-mapped callbacks, because a hook on writes would slow down every store of the program.
        uc.mmio_map(MAILBOX, _PAGE, None, None, self._mail, None)
        uc.mmio_map(_SYSTEM_CONTROL, _PAGE, self._system_read, None, self._system_write, None)
        uc.hook_add(u.UC_HOOK_MEM_INVALID, self._bad_access)  # called for bad accesses only, so it costs nothing
        self.sp, self.reset_vector = (self.word(row.flash_origin + at) for at in (0, 4))

    @property
    def pc(self) -> int:
        """Program counter: exact while the machine is stopped; in a callback, the start of the current block."""
        return self.uc.reg_read(self._names.UC_ARM_REG_PC)

    @property
    def lr(self) -> int:
        """Link register without the Thumb bit."""
        return self.uc.reg_read(self._names.UC_ARM_REG_LR) & ~1

    @property
    def sp(self) -> int:
        """Stack pointer."""
        return self.uc.reg_read(self._names.UC_ARM_REG_SP)

    @sp.setter
    def sp(self, address: int) -> None:
        self.uc.reg_write(self._names.UC_ARM_REG_SP, address)

    @property
    def fpu_enabled(self) -> bool:
        """Whether the firmware enabled the FPU: without it float instructions run here, but fault on hardware."""
        return self._cpacr & _FPU_OPEN == _FPU_OPEN

    def word(self, address: int) -> int:
        """Return the 32-bit word at `address`."""
        return int.from_bytes(self.uc.mem_read(address, 4), "little")

    def memory(self) -> dict[int, bytes]:
        """Return copies of flash and RAM, by the address where each begins."""
        row = self.row
        areas = {row.flash_origin: row.flash_bytes, row.ram_origin: row.ram_bytes}
        return {origin: bytes(self.uc.mem_read(origin, size)) for origin, size in areas.items()}

    def _mail(self, _uc: Any, offset: int, size: int, value: int, _user: object) -> None:
        self._on_mail(offset, size, value)

    def _system_read(self, _uc: Any, offset: int, _size: int, _user: object) -> int:
        return self._cpacr if offset == _CPACR else 0

    def _system_write(self, _uc: Any, offset: int, _size: int, value: int, _user: object) -> None:
        if offset == _CPACR:
            self._cpacr = value

    def _bad_access(self, _uc: Any, _kind: int, address: int, _size: int, _value: int, _user: object) -> bool:
        self.bad_address = address
        return False
