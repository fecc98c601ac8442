# SPDX-License-Identifier: MIT
"""The checks of `bpfree doctor`: packages, programs, data sets, and the bits that the engines compute."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

from bpfree.files import cache_folder

OK, MISSING, BROKEN = "ok", "missing", "broken"

UNLOCKS = {
    "onnx": "bpfree export onnx",
    "emulate": "firmware on an emulated Cortex-M4F, for bpfree demo and bpfree bench device",
    "rtl": "firmware on soft cores in simulation, with verilator",
    "plot": "pictures, for bpfree train --plot and bpfree demo",
    "sklearn": "bpfree.sklearn, estimators for scikit-learn",
    "bench": "rivals in bpfree bench",
    "docs": "the documentation as a site, for make docs",
}
"""The use of each extra; `all` and `dev` are made of the others."""

_MODULES = {"pyelftools": "elftools", "scikit-learn": "sklearn"}
"""Names of modules that differ from the name of their package."""

PROGRAMS = {
    "cc": ("compiles the core in `pip install .` and `make setup`, as the ziglang package can too", ""),
    "arm-none-eabi-gcc": ("compiles exported firmware in `make`", "apt install gcc-arm-none-eabi"),
    "riscv64-unknown-elf-gcc": ("the same for RISC-V", "apt install gcc-riscv64-unknown-elf"),
    "qemu-system-arm": ("a second emulator for firmware", "apt install qemu-system-arm"),
    "qemu-system-riscv32": ("the same for RISC-V", "apt install qemu-system-misc"),
    "verilator": ("simulates soft cores, of the extra rtl", "apt install verilator g++ make"),
}
"""The use of each program outside PyPI, and how to install it on Debian or Ubuntu."""


@dataclass(frozen=True)
class Check:
    """One line of the report: what was checked, its status, details, and what to do about it."""

    section: str
    name: str
    status: str
    detail: str
    advice: str = ""


def all_checks() -> list[Check]:
    """Return every check, in the order in which they are shown."""
    return [*machine(), *core(), *extras(), *programs(), *data_sets(), *self_test()]


def machine() -> list[Check]:
    """Return the versions of Python, the system, bpfree, and NumPy with its BLAS."""
    import numpy as np

    from bpfree import __file__, __version__

    blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return [
        Check("this computer", "Python", OK, f"{platform.python_version()}, {sys.executable}"),
        Check("this computer", "system", OK, f"{platform.system()} {platform.release()}, {platform.machine()}"),
        Check("this computer", "bpfree", OK, f"{__version__}, {__file__.removesuffix('__init__.py')}"),
        Check(
            "this computer", "NumPy", OK, f"{np.__version__}, BLAS {blas.get('name', '?')} {blas.get('version', '')}"
        ),
    ]


def core() -> list[Check]:
    """Check that the compiled core loads, with which instruction sets, and that its tables are those of Python."""
    from bpfree import native
    from bpfree.errors import CoreMissingError

    try:
        native.core()
    except CoreMissingError as error:
        return [Check("compiled core", "bpfree._core", BROKEN if error.built else MISSING, "", str(error))]
    names, chosen = native.isa_names(supported=False), native.isa_names()
    detail = f"{', '.join(chosen)}; {chosen[-1]} is used" + (
        f" (this processor lacks {', '.join(sorted(set(names) - set(chosen)))}, for which the core is built too)"
        if set(names) - set(chosen)
        else ""
    )
    rows = [Check("compiled core", "instruction sets", OK, detail)]
    stale = stale_tables()
    advice = "the core is older than the Python sources: build it again (`make setup` or `pip install .`)"
    rows.append(
        Check("compiled core", "tables", BROKEN, f"differ in {', '.join(stale)}", advice)
        if stale
        else Check("compiled core", "tables", OK, "the same rows as in Python")
    )
    return rows


def stale_tables() -> list[str]:
    """Return the names of the tables whose rows differ between the compiled core and Python."""
    from bpfree import native
    from bpfree.estimators import ESTIMATORS
    from bpfree.losses import LOSSES
    from bpfree.ops import OPS
    from bpfree.schedules import SCHEDULES
    from bpfree.updates import UPDATES

    return [
        table.name
        for table in (OPS, LOSSES, ESTIMATORS, UPDATES, SCHEDULES)
        if any(isinstance(row.c, str) and native.registry_name(table.name, row.number) != row.name for row in table)
    ]


def extras() -> list[Check]:
    """Check the optional packages, by the extra that installs them."""
    try:
        requirements = metadata.requires("bpfree") or []
    except metadata.PackageNotFoundError:
        return [Check("extras", "bpfree", MISSING, "bpfree runs without being installed", "pip install .")]
    rows = []
    for extra, use in UNLOCKS.items():
        wanted = [r for r in requirements if re.search(rf"extra == ['\"]{extra}['\"]", r)]
        states = [_package(re.match(r"[\w.-]+", line).group()) for line in wanted]
        worst = max((status for _, status, _ in states), key=(OK, MISSING, BROKEN).index, default=OK)
        names = ", ".join(f"{name} {detail}".rstrip() for name, _, detail in states)
        install = f'pip install "bpfree[{extra}]"'
        advice = {OK: "", MISSING: install, BROKEN: f"{install} --force-reinstall"}[worst]
        rows.append(Check("extras", extra, worst, f"{use}: {names}", advice))
    return rows


def _package(name: str) -> tuple[str, str, str]:
    """Return (name, status, version or error) of a package; one that is installed must also import."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return name, MISSING, "missing"
    try:
        import_module(_MODULES.get(name, name.replace("-", "_")))
    except Exception as error:  # whatever a package does when it is imported
        return name, BROKEN, f"{version} does not import ({type(error).__name__}: {error})"
    return name, OK, version


def programs() -> list[Check]:
    """Check the compilers and emulators outside PyPI."""
    rows = []
    for name, (use, install) in PROGRAMS.items():
        path = shutil.which(name)
        if path is None:
            rows.append(Check("programs", name, MISSING, use, install))
            continue
        version = _version(path)
        broken = version is None
        detail = f"{use}: {version or f'{path} does not run'}"
        rows.append(Check("programs", name, BROKEN if broken else OK, detail, install if broken else ""))
    return rows


def _version(path: str) -> str | None:
    """Return the first line of `PROGRAM --version`; None where the program does not run."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.splitlines()), path)


def data_sets() -> list[Check]:
    """Check whether the named data sets are on this machine, and where, or would be downloaded."""
    from bpfree.datasets import DATASETS

    return [_data_set(row) for row in DATASETS.values()]


def _data_set(row) -> Check:
    section = "data sets"
    try:
        missing = row.missing()
    except OSError as error:  # BPFREE_DATA is no folder
        return Check(section, row.name, BROKEN, str(error), "set BPFREE_DATA to a folder with one folder per data set")
    if missing:
        folder = data_folders(row.name)[-1]
        advice = f"`bpfree train {row.name}` downloads it to {folder}, or says which files to put there"
        return Check(section, row.name, MISSING, row.description, advice)
    found = [f": {folder}" for folder in data_folders(row.name) if folder.is_dir()]
    return Check(section, row.name, OK, row.description.split(";")[0] + (found[0] if found else ""))


def data_folders(name: str) -> list[Path]:
    """Return the folders that are searched for the files of a data set, in this order."""
    given = os.environ.get("BPFREE_DATA")
    return [*([Path(given) / name] if given else []), cache_folder() / name]


def self_test() -> list[Check]:
    """Train a few steps on every engine, all of which must end with the same bits."""
    import bpfree as bf
    from bpfree import native
    from bpfree.datasets import load_digits

    digits = load_digits()
    model = bf.Sequential(64, [bf.TTLinear(32, rank=4), bf.Tanh(), bf.Linear(10)], seed=1)
    engines = {"exact (NumPy)": bf.ReferenceEngine(exact=True)}
    if native.available():
        engines |= {f"compiled, {isa}": bf.CompiledEngine(isa) for isa in native.isa_names()}
    settings = {"estimator": bf.RGE(n_queries=4), "update": bf.Adam(0.01), "batch_size": 16, "max_steps": 5}
    hashes = {
        name: bf.train(model, digits.train, engine=engine, progress=False, **settings).model.hash
        for name, engine in engines.items()
    }
    expected = hashes["exact (NumPy)"]
    advice = "this build computes different bits: build it again, and report a bug if that does not help"
    section = "self test, 5 steps"
    return [
        Check(section, name, OK, value) if value == expected else Check(section, name, BROKEN, value, advice)
        for name, value in hashes.items()
    ]
