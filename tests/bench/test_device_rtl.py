# SPDX-License-Identifier: MIT
"""Rows of soft cores: what a step takes where there is a simulator, and what to install where there is none."""

import os

import pytest

from bpfree import emulate
from bpfree.bench import device_rtl
from bpfree.emulate.rtl import simulator
from bpfree.emulate.rtl.cores import CORES

MISSING = simulator.missing(CORES["picorv32"])


@pytest.mark.slow
@pytest.mark.tool
@pytest.mark.skipif(bool(MISSING) and "BPFREE_REQUIRE_TOOLS" not in os.environ, reason=f"no simulator: {MISSING}")
def test_a_core_has_rows_of_cycles():
    pytest.importorskip("ziglang", reason='ziglang compiles firmware: pip install "bpfree[emulate]"')
    step, mac = device_rtl.run(quick=True)
    assert (step["case"], step["metric"], mac["metric"]) == (
        "mlp-8-16-4@picorv32", "cycles_per_step", "cycles_per_mac",
    )  # fmt: skip
    macs = 2 * 4 * (8 * 16 + 16 * 4)  # two sides, four samples
    assert step["value"] == mac["value"] * macs
    assert 100 < mac["value"] < 10_000, "floats in software, of which a good core does one in some hundred cycles"
    assert "theta as on this computer" in step["reference"]


def test_a_row_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(simulator.shutil, "which", lambda tool: None)
    rows = device_rtl.run()
    assert [row["case"] for row in rows] == [f"mlp-8-16-4@{name}" for name in CORES]
    assert all(row["value"] is None and "apt install verilator make g++" in row["reference"] for row in rows)


def test_other_bits_are_told(monkeypatch):
    found = {"cycles_per_step": 9, "cycles_per_mac": 3, "equal": False, "compiler": "a compiler"}
    monkeypatch.setattr(device_rtl, "measure", lambda emulator: found)
    for name in CORES:
        row = emulate.EMULATORS[name]
        monkeypatch.setitem(emulate.EMULATORS, name, type(row)(**{**vars(row), "missing": lambda target: ""}))
    assert all("theta is NOT that of this computer" in row["reference"] for row in device_rtl.run())
