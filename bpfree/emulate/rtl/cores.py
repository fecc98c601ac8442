# SPDX-License-Identifier: MIT
"""The table of soft cores: where their Verilog comes from, and which programs they run."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bpfree.exporters.targets import Memory


@dataclass(frozen=True)
class Core:
    """One soft core and how it is configured."""

    name: str
    what: str  #: for people
    package: str  #: of PyPI, which brings the Verilog
    files: str  #: pattern of the files below the package's folder `verilog`
    macro: str  #: selects the core in testbench.v
    targets: tuple[str, ...]  #: targets whose instructions it has, the one to choose first

    @property
    def folder(self) -> Path | None:
        """Return the folder of the package's Verilog, or None where it is not installed."""
        found = find_spec(self.package.replace("-", "_"))
        return None if found is None else Path(found.origin).parent / "verilog"


_PICORV32, _VEXRISCV, _SERV = (f"pythondata-cpu-{name}" for name in ("picorv32", "vexriscv", "serv"))

CORES = {
    row.name: row
    for row in (
        Core("picorv32", "PicoRV32, multiplies in hardware", _PICORV32, "picorv32.v", "PICORV32",
             ("rv32imc", "rv32im", "rv32i")),
        Core("vexriscv", "VexRiscv, pipelined, caches of 4 KB, multiplies in hardware", _VEXRISCV, "VexRiscv.v",
             "VEXRISCV", ("rv32im", "rv32i")),
        Core("vexriscv-min", "VexRiscv, the smallest: no caches, no multiplier", _VEXRISCV, "VexRiscv_Min.v",
             "VEXRISCV", ("rv32i",)),
        Core("serv", "SERV, one bit a cycle", _SERV, "rtl/*.v", "SERV", ("rv32i",)),
    )
}  # fmt: skip
"""The cores by name."""

MEMORY = Memory(flash_origin=0x1000_0000, flash_bytes=1 << 20, ram_origin=0x2000_0000, ram_bytes=256 << 10)
"""The board around each core: below 0x80000000, where VexRiscv caches, and not at 0, so that null points nowhere."""
