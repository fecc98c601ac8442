# SPDX-License-Identifier: MIT
"""The one table of targets: processors that firmware is exported and compiled for, and what runs it here.

A new target is a new row. The exporter, the Makefile of an exported folder and `bpfree.emulate` read nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.errors import check_choice


@dataclass(frozen=True)
class Gnu:
    """A GNU toolchain: the prefix of its programs, the package that brings it, the flags it needs for any program."""

    prefix: str
    package: str
    compile_flags: tuple[str, ...]
    link_flags: tuple[str, ...]


@dataclass(frozen=True)
class Unicorn:
    """A processor as the package unicorn names it; the names are text, so that reading the table imports nothing."""

    arch: str  # name of a constant in the module unicorn
    mode: tuple[str, ...]  # names of constants in the module unicorn, which are added up
    cpu: str  # name of a constant in unicorn.arm_const or unicorn.riscv_const


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Where flash and RAM of a board lie: addresses of the first bytes, and sizes in bytes; 0 on a computer."""

    flash_origin: int = 0
    flash_bytes: int = 0
    ram_origin: int = 0
    ram_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Qemu(Memory):
    """A machine of qemu-system: the program, its package, the machine, and options such as the core's."""

    program: str
    package: str
    machine: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Target(Memory):
    """One processor, as each tool names it, and the memory of the board that unicorn emulates."""

    name: str
    port: str  # folder of runtime_c/ports with the startup code and the linker script
    gnu: Gnu
    cpu_flags: tuple[str, ...]  # the processor's flags for GCC
    clang_flags: tuple[str, ...]  # the same for clang, the target's triple among them
    zig_triple: str
    zig_cpu: str
    zig_flags: tuple[str, ...] = ()  # C flags that zig needs besides
    unicorn: Unicorn | None = None
    qemu: Qemu | None = None

    @property
    def bare(self) -> bool:
        """Whether the program runs without an operating system, with startup code and a linker script of a port."""
        return self.flash_bytes > 0

    @property
    def has_fpu(self) -> bool:
        """Whether float32 is computed by instructions of its own."""
        return not self.bare or bool({"-mfloat-abi=hard", "-mabi=ilp32f"} & set(self.cpu_flags))


KB, MB = 1 << 10, 1 << 20

_BARE = ("-ffreestanding",)
_BARE_LINK = ("-nostartfiles", "-nostdlib", "-Wl,--gc-sections")
_ARM_GNU = Gnu("arm-none-eabi-", "gcc-arm-none-eabi", _BARE, _BARE_LINK)
_RISCV_GNU = Gnu("riscv64-unknown-elf-", "gcc-riscv64-unknown-elf", _BARE, (*_BARE_LINK, "-Wl,--no-warn-rwx-segments"))
_HOST_GNU = Gnu("", "gcc", (), ())

_BOARD = {"flash_origin": 0x0000_0000, "flash_bytes": 1 * MB, "ram_origin": 0x2000_0000, "ram_bytes": 256 * KB}
_LARGE = _BOARD | {"flash_bytes": 2 * MB, "ram_bytes": 1 * MB}
_RISCV = _BOARD | {"flash_origin": 0x8000_0000, "ram_origin": 0x8010_0000}  # both in the RAM of qemu's machine


def _arm_qemu(machine: str, **memory: int) -> Qemu:
    return Qemu(program="qemu-system-arm", package="qemu-system-arm", machine=machine, **_BOARD | memory)


def _cortex_m(name, clang, zig_cpu, qemu, *, cpu=None, fpu=None, unicorn=None, memory=_BOARD) -> Target:
    """Return a Cortex-M: `clang` is the architecture of its triple, `cpu` and `fpu` what -mcpu and -mfpu name."""
    cpu = cpu or name
    abi, floats = ("eabihf", ("-mfloat-abi=hard", f"-mfpu={fpu}")) if fpu else ("eabi", ("-mfloat-abi=soft",))
    return Target(
        name=name, port="cortex_m", gnu=_ARM_GNU, cpu_flags=(f"-mcpu={cpu}", "-mthumb", *floats),
        clang_flags=(f"--target={clang}-none-{abi}", f"-mcpu={cpu}", *floats),
        zig_triple=f"thumb-freestanding-{abi}", zig_cpu=zig_cpu, qemu=qemu, **memory,
        unicorn=unicorn and Unicorn("UC_ARCH_ARM", ("UC_MODE_THUMB", "UC_MODE_MCLASS"), f"UC_CPU_ARM_{unicorn}"),
    )  # fmt: skip


def _rv32(extensions: str, *, floats: bool = False) -> Target:
    """Return a 32-bit RISC-V; qemu's core has these extensions alone, so that it refuses what is not there."""
    abi, has = "ilp32f" if floats else "ilp32", {letter: letter in extensions for letter in "mafc"}
    core = ",".join(["rv32", *(f"{letter}={str(on).lower()}" for letter, on in has.items()), "d=false", "h=false"])
    march = (f"-march=rv32{extensions}", f"-mabi={abi}")
    return Target(
        name=f"rv32{extensions}", port="riscv", gnu=_RISCV_GNU, cpu_flags=march,
        clang_flags=("--target=riscv32-unknown-elf", *march),
        zig_triple="riscv32-freestanding-none",
        zig_cpu="generic_rv32" + "".join(f"+{letter}" for letter, on in has.items() if on),
        zig_flags=(f"-mabi={abi}",),
        unicorn=Unicorn("UC_ARCH_RISCV", ("UC_MODE_RISCV32",), "UC_CPU_RISCV32_ANY"),
        qemu=Qemu(program="qemu-system-riscv32", package="qemu-system-misc", machine="virt",
                  options=("-bios", "none", "-cpu", core), **_RISCV),
        **_RISCV,
    )  # fmt: skip


_MICROBIT = _arm_qemu("microbit", flash_bytes=256 * KB, ram_bytes=16 * KB)

TARGETS = {
    row.name: row
    for row in (
        _cortex_m("cortex-m0", "thumbv6m", "cortex_m0", _MICROBIT, unicorn="CORTEX_M0"),
        _cortex_m("cortex-m0plus", "thumbv6m", "cortex_m0plus", _MICROBIT, unicorn="CORTEX_M0"),
        _cortex_m("cortex-m3", "thumbv7m", "cortex_m3", _arm_qemu("mps2-an385"), unicorn="CORTEX_M3"),
        _cortex_m("cortex-m4f", "thumbv7em", "cortex_m4+vfp4d16sp", _arm_qemu("mps2-an386"), cpu="cortex-m4",
                  fpu="fpv4-sp-d16", unicorn="CORTEX_M4"),
        _cortex_m("cortex-m7", "thumbv7em", "cortex_m7+fp_armv8d16", _arm_qemu("mps2-an500", **_LARGE),
                  fpu="fpv5-d16", unicorn="CORTEX_M7", memory=_LARGE),
        _cortex_m("cortex-m33", "thumbv8m.main", "cortex_m33+fp_armv8d16sp",
                  _arm_qemu("mps2-an505", flash_origin=0x1000_0000, ram_origin=0x3800_0000),
                  fpu="fpv5-sp-d16", unicorn="CORTEX_M33"),
        # Vectors of Helium sum in another order and flush subnormals, so the core is taken without them.
        _cortex_m("cortex-m55", "thumbv8.1m.main", "cortex_m55-mve-mve_fp",
                  _arm_qemu("mps3-an547", flash_bytes=512 * KB), cpu="cortex-m55+nomve", fpu="fpv5-d16"),
        _rv32("i"),
        _rv32("imc"),
        _rv32("imac"),
        _rv32("imafc", floats=True),
        Target(name="host", port="host", gnu=_HOST_GNU, cpu_flags=(), clang_flags=(), zig_triple="native",
               zig_cpu="baseline"),
    )
}  # fmt: skip
"""The targets by name."""


def find_target(name: str) -> Target:
    """Return the row called `name`; raise ValueError that lists the known ones where there is none."""
    check_choice("target", name, TARGETS)
    return TARGETS[name]
