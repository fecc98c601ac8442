# SPDX-License-Identifier: MIT
"""The emulated boards: a processor, its flash and RAM, and a mailbox; one class an architecture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._extras import need
from .channels import MAILBOX, PAINT
from .elf import Image
from .program import Firmware

_PAGE = 0x1000  # bytes
_SYSTEM_CONTROL = 0xE000_E000  # address
_CPACR = 0xD88  # offset of the coprocessor access control register in system control
_FPU_OPEN = 0xF << 20


class Board:
    """A machine that has been switched on and has the firmware in its flash.

    `on_mail(offset, size, value)` is called for each store to the mailbox page, with the offset and the size
    of the store in bytes. `uc` is the unicorn machine, `unicorn` the module, and `bad_address` the last
    address whose access failed. `start` is the address of the first instruction.
    """

    names = ""  # the module that has the constants of the architecture
    start: int

    def __init__(self, firmware: Firmware, image: Image, on_mail: Callable[[int, int, int], None]) -> None:
        u = self.unicorn = need("unicorn")
        row, memory = firmware.target.unicorn, firmware.memory
        self._constants = need(self.names)
        self.row = memory
        self.bad_address: int | None = None
        self._on_mail = on_mail
        uc = self.uc = u.Uc(getattr(u, row.arch), sum(getattr(u, mode) for mode in row.mode))
        uc.ctl_set_cpu_model(getattr(self._constants, row.cpu))
        uc.mem_map(memory.flash_origin, memory.flash_bytes, u.UC_PROT_READ | u.UC_PROT_EXEC)
        uc.mem_map(memory.ram_origin, memory.ram_bytes, u.UC_PROT_READ | u.UC_PROT_WRITE)
        uc.mem_write(memory.ram_origin, bytes([PAINT]) * memory.ram_bytes)
        for address, data in image.segments:
            uc.mem_write(address, data)
        # Memory-mapped callbacks, because a hook on writes would slow down every store of the program.
        uc.mmio_map(MAILBOX, _PAGE, None, None, self._mail, None)
        uc.hook_add(u.UC_HOOK_MEM_INVALID, self._bad_access)  # called for bad accesses only, so it costs nothing
        self.power_on()

    def power_on(self) -> None:
        """Set the processor up as its hardware does at reset."""
        raise NotImplementedError

    def resume_at(self, address: int) -> int:
        """Return the address as unicorn wants to be told it."""
        return address

    def register(self, name: str) -> int:
        """Return the value of the register with this name in unicorn's constants."""
        return self.uc.reg_read(getattr(self._constants, name))

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

    def _bad_access(self, _uc: Any, _kind: int, address: int, _size: int, _value: int, _user: object) -> bool:
        self.bad_address = address
        return False


class CortexM(Board):
    """An Arm Cortex-M with its system control page."""

    names = "unicorn.arm_const"

    def power_on(self) -> None:
        self._cpacr = 0
        self.uc.mmio_map(_SYSTEM_CONTROL, _PAGE, self._system_read, None, self._system_write, None)
        stack, self.start = (self.word(self.row.flash_origin + at) for at in (0, 4))
        self.uc.reg_write(self._constants.UC_ARM_REG_SP, stack)

    def resume_at(self, address: int) -> int:
        return address | 1  # Thumb

    @staticmethod
    def width(halfword: int) -> int:
        """Return the bytes of the instruction that begins with `halfword`: 4 if its top five bits are >= 0b11101."""
        return 4 if halfword >> 11 >= 0b11101 else 2

    @property
    def pc(self) -> int:
        """Program counter: exact while the machine is stopped; in a callback, the start of the current block."""
        return self.register("UC_ARM_REG_PC")

    @property
    def lr(self) -> int:
        """Link register without the Thumb bit."""
        return self.register("UC_ARM_REG_LR") & ~1

    @property
    def sp(self) -> int:
        """Stack pointer."""
        return self.register("UC_ARM_REG_SP")

    @property
    def fpu_enabled(self) -> bool:
        """Whether the firmware enabled the FPU: without it float instructions run here, but fault on hardware."""
        return self._cpacr & _FPU_OPEN == _FPU_OPEN

    def _system_read(self, _uc: Any, offset: int, _size: int, _user: object) -> int:
        return self._cpacr if offset == _CPACR else 0

    def _system_write(self, _uc: Any, offset: int, _size: int, value: int, _user: object) -> None:
        if offset == _CPACR:
            self._cpacr = value


class Riscv(Board):
    """A 32-bit RISC-V in machine mode, which begins at the start of flash."""

    names = "unicorn.riscv_const"
    _FS = 3 << 13  # of mstatus: off, initial, clean or dirty

    def power_on(self) -> None:
        self.start = self.row.flash_origin

    @staticmethod
    def width(halfword: int) -> int:
        """Return the bytes of the instruction that begins with `halfword`: 4 if its low two bits are set."""
        return 4 if halfword & 3 == 3 else 2

    @property
    def pc(self) -> int:
        """Program counter: exact while the machine is stopped; in a callback, the start of the current block."""
        return self.register("UC_RISCV_REG_PC")

    @property
    def lr(self) -> int:
        """Return address."""
        return self.register("UC_RISCV_REG_RA")

    @property
    def sp(self) -> int:
        """Stack pointer."""
        return self.register("UC_RISCV_REG_SP")

    @property
    def fpu_enabled(self) -> bool:
        """Whether the firmware enabled the FPU, without which float instructions trap."""
        return bool(self.register("UC_RISCV_REG_MSTATUS") & self._FS)


BOARDS = {"cortex_m": CortexM, "riscv": Riscv}
"""The boards by the folder of their port."""
