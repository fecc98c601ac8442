# SPDX-License-Identifier: MIT
"""Rows for people: where they were measured, and a table."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bpfree import __version__, native


def machine() -> dict[str, str]:
    """What the numbers depend on: processor, instruction set of our kernels, versions."""
    facts = {
        "machine": f"{_processor()}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}",
        "bpfree": f"{__version__}, kernels {native.isa_names()[-1] if native.available() else 'not built'}",
        "python": platform.python_version(),
        "numpy": f"{version('numpy')}, {_blas()}",
    }
    try:
        facts["onnxruntime"] = version("onnxruntime")
    except PackageNotFoundError:
        facts["onnxruntime"] = "not installed"
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
    """Print header and table on a rich Console; rows as :func:`bpfree.bench.rows.row` makes them."""
    from rich.table import Table

    for name, fact in machine().items():
        console.print(f"{name}: {fact}", highlight=False, soft_wrap=True)
    table = Table()
    for heading, justify in (("case", "left"), ("metric", "left"), ("value", "right"), ("std", "right")):
        table.add_column(heading, justify=justify, no_wrap=heading in ("case", "value"))
    table.add_column("ratio", justify="right")
    table.add_column("of", justify="left")
    for r in rows:
        ours = "/" not in r["case"]
        value = "missing" if r["value"] is None else f"{_short(r['value'])} {r['unit']}"
        cells = (r["case"], r["metric"], value, _short(r["std"]), _short(r["ratio"]), r["reference"] or "")
        table.add_row(*cells, style="bold" if ours else None)
    console.print(table)


def _short(value) -> str:
    """Three significant digits, no exponents below a million."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
