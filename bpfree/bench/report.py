# SPDX-License-Identifier: MIT
"""Prints rows for people: the machine where they were measured, and a table."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bpfree import __version__, native
from bpfree.bench.rows import THREADS


def machine() -> dict[str, str]:
    """Return what the numbers depend on: processor, instruction set of our kernels, versions."""
    facts = {
        "machine": f"{_processor()}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}",
        "bpfree": f"{__version__}, kernels {native.isa_names()[-1] if native.available() else 'not built'}",
        "python": platform.python_version(),
        "numpy": f"{version('numpy')}, {_blas()}",
    }
    for rival in ("scipy", "onnxruntime", "torch", "deepxde", "cma", "nevergrad"):
        try:
            facts[rival] = version(rival)
        except PackageNotFoundError:
            facts[rival] = "not installed"
    facts["threads"] = f"{THREADS}, for BLAS, rivals and our engine"
    return facts


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _blas() -> str:
    from threadpoolctl import threadpool_info

    libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
    names = {f"{i['internal_api']} {i['version']} ({i.get('architecture', '?')})" for i in libraries}
    return " and ".join(sorted(names)) or "BLAS unknown"


def show(rows, console) -> None:
    """Print header, table and notes on a rich Console; rows have the form of :func:`bpfree.bench.rows.row`."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    for name, fact in machine().items():
        console.print(f"{name}: {fact}", highlight=False, soft_wrap=True)
    table, notes, case = Table(box=SIMPLE_HEAD, pad_edge=False), [], None
    table.add_column("case\n  metric", no_wrap=True)
    for heading in ("value", "std", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("of", no_wrap=True)
    for r in rows:
        if r["case"] != case:
            case = r["case"]
            table.add_row(case, style="bold" if "/" not in case else None)
        short = _share if r["metric"].endswith("accuracy") else _short
        value = "missing" if r["value"] is None else short(r["value"])
        table.add_row(f"  {r['metric']}", value, short(r["std"]), _short(r["ratio"]), _source(r, notes))
    console.print(table)
    for number, note in enumerate(notes, 1):
        console.print(f"[{number}] {note}", highlight=False, markup=False)


def _source(row, notes: list[str]) -> str:
    """Return the name of the rival, or the number of a note where the reference is a sentence."""
    reference = row["reference"] or ""
    if " " not in reference:
        return reference.rpartition("/")[2]
    if reference not in notes:
        notes.append(reference)
    return f"\\[{notes.index(reference) + 1}]"


def _share(value) -> str:
    """Return an accuracy with two decimals of a percent, because methods differ by tenths."""
    return "" if value is None else f"{value:.2%}"


def _short(value) -> str:
    """Return three significant digits; thousands have a comma, millions an exponent."""
    if value is None:
        return ""
    if abs(value) >= 1e6:
        digits, exponent = f"{value:.2e}".split("e")
        return f"{digits}e{int(exponent)}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
