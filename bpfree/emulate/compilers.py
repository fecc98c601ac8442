# SPDX-License-Identifier: MIT
"""The compilers that firmware can be built with: the clang of the pip package ziglang, a GNU toolchain, or a clang."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bpfree.exporters.targets import Target
from bpfree.files import cache_folder

from ._extras import need

_ZIG_FLAGS = ("-O", "ReleaseSmall", "-fno-sanitize-c", "-fcompiler-rt", "-fno-strip", "--gc-sections")
_LTO = ("-flto",)
_GNU_LTO = ("-flto", "-Wno-maybe-uninitialized")
"""Inlining across files shows GCC paths that the tables of a model never take, and it warns of them."""


class FirmwareBuildError(RuntimeError):
    """The firmware did not compile or link; the message holds the compiler's first errors and the command."""


@dataclass(frozen=True)
class Job:
    """What is to be linked: C flags, folders of headers and sources for the command line, a linker script if any."""

    target: Target
    flags: Sequence[str]
    includes: Sequence[str]
    sources: Sequence[str]
    script: Path | None
    elf: Path
    folder: Path  # where the compiler runs
    lto: bool


@dataclass(frozen=True)
class Compiler:
    """One compiler: version(target) gives its name for people, flags(target, lto) what it needs besides those of C.

    missing(target) is what to install, or "" where it is installed. link(job) builds an ELF file; raises
    FirmwareBuildError.
    """

    version: Callable[[Target], str]
    flags: Callable[[Target, bool], tuple[str, ...]]
    missing: Callable[[Target], str]
    link: Callable[[Job], None]


# ---- zig ----


def _zig_flags(target: Target, lto: bool) -> tuple[str, ...]:
    processor = ("-mcpu", target.zig_cpu) if target.bare else ("-lc",)
    return ("-target", target.zig_triple, *processor, *_ZIG_FLAGS, *(_LTO if lto else ()))


def _zig_link(job: Job) -> None:
    layout = ("-fentry=Reset_Handler", "-T", str(job.script)) if job.script else ()
    _zig(
        ["build-exe", *_zig_flags(job.target, job.lto), "--color", "off", *layout, f"-femit-bin={job.elf}",
         *job.includes, "-cflags", *job.flags, *job.target.zig_flags, "--", *job.sources],
        job.folder,
    )  # fmt: skip


def _zig(arguments: list[str], folder: Path) -> str:
    """Run zig in `folder` with its caches in the user's cache folder; return its output."""
    need("ziglang")
    cache = str(cache_folder() / "zig")
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    return _run([sys.executable, "-m", "ziglang", *arguments], folder, environment)


@functools.cache
def _zig_version(_target: Target) -> str:
    return f"zig {_zig(['version'], Path.cwd()).strip()} (clang)"


def _zig_missing(_target: Target) -> str:
    try:
        need("ziglang")
    except ImportError:
        return 'pip install "bpfree[emulate]"'
    return ""


# ---- GNU ----


def gnu(target: Target) -> str:
    """Return the name of the target's GNU compiler."""
    return f"{target.gnu.prefix}gcc"


def _gnu_flags(target: Target, lto: bool) -> tuple[str, ...]:
    return (*target.cpu_flags, *target.gnu.link_flags, *(_GNU_LTO if lto else ()))


def _gnu_link(job: Job) -> None:
    command = [_gnu_path(job.target), *job.target.cpu_flags, *job.flags, *(_GNU_LTO if job.lto else ()), *job.includes]
    script = ["-T", str(job.script)] if job.script else []
    libraries = ["-lgcc"] if job.target.bare else []
    _run([*command, *job.sources, *script, *job.target.gnu.link_flags, *libraries, "-o", str(job.elf)], job.folder)


def _gnu_path(target: Target) -> str:
    """Return the path of the GNU compiler; raise ImportError where there is none, as a missing package does."""
    return _installed(gnu(target), "gnu", target.gnu.package)


@functools.cache
def _gnu_version(target: Target) -> str:
    return f"{gnu(target)} {_run([_gnu_path(target), '-dumpfullversion'], Path.cwd()).strip()}"


def _gnu_missing(target: Target) -> str:
    return "" if shutil.which(gnu(target)) else f"apt install {target.gnu.package}"


# ---- clang ----


def _clang_flags(target: Target, lto: bool) -> tuple[str, ...]:
    return (*target.clang_flags, *(("-fuse-ld=lld", "-nostdlib") if target.bare else ()), *(_LTO if lto else ()))


def _clang_link(job: Job) -> None:
    command = [_installed("clang", "clang", "clang lld"), *job.target.clang_flags, *(_LTO if job.lto else ())]
    linker = ["-fuse-ld=lld", "-nostdlib", "-Wl,--gc-sections", "-T", str(job.script)] if job.script else []
    libraries = _gnu_library(job.target) if job.script else []
    with tempfile.TemporaryDirectory(prefix="bpfree-") as scratch:
        objects = [f"{scratch}/{k}.o" for k in range(len(job.sources))]  # its driver links no bitcode it just made
        for source, made in zip(job.sources, objects, strict=True):
            _run([*command, *job.flags, *job.includes, "-c", source, "-o", made], job.folder)
        _run([*command, *linker, *objects, *libraries, "-o", str(job.elf)], job.folder)


def _gnu_library(target: Target) -> list[str]:
    """Return the path of libgcc where there is one: Debian's clang has no library of its own for bare processors."""
    if not shutil.which(gnu(target)):
        return []
    return [_run([gnu(target), *target.cpu_flags, "-print-libgcc-file-name"], Path.cwd()).strip()]


@functools.cache
def _clang_version(_target: Target) -> str:
    return f"clang {_run([_installed('clang', 'clang', 'clang lld'), '-dumpversion'], Path.cwd()).strip()}"


def _clang_missing(target: Target) -> str:
    found = shutil.which("clang") and (shutil.which("ld.lld") or not target.bare)
    return "" if found else "apt install clang lld"


# ---- what they share ----


def _installed(program: str, name: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise ImportError(f"{program} is needed for compiler={name!r}: apt install {package}, or take 'zig'")
    return found


def _run(command: list[str], folder: Path, environment=None) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = _first_errors(done.stderr or done.stdout)
        raise FirmwareBuildError(f"{errors}\ncommand: {shlex.join(command)}")
    return done.stdout


def _first_errors(text: str, limit: int = 12) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    first = next((i for i, line in enumerate(lines) if "error" in line), 0)
    return "\n".join(["the firmware did not build:", *lines[first : first + limit]])


COMPILERS = {
    "zig": Compiler(_zig_version, _zig_flags, _zig_missing, _zig_link),
    "gnu": Compiler(_gnu_version, _gnu_flags, _gnu_missing, _gnu_link),
    "clang": Compiler(_clang_version, _clang_flags, _clang_missing, _clang_link),
}
"""The compilers by name."""
