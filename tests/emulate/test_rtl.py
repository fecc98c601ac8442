# SPDX-License-Identifier: MIT
"""Firmware on soft cores, whose own Verilog is simulated: the same bits, with clock cycles."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from command_line import run as command
from helpers import Recorder

import bpfree as bf
from bpfree import emulate
from bpfree.emulate.rtl import simulator
from bpfree.emulate.rtl.cores import CORES
from bpfree.exporters import firmware

MISSING = sorted({way for core in CORES.values() for way in simulator.missing(core).split(", ") if way})

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tool,
    pytest.mark.skipif(
        bool(MISSING) and "BPFREE_REQUIRE_TOOLS" not in os.environ, reason=f"no simulator of RTL: {', '.join(MISSING)}"
    ),
]

SIZES = {"serv": (4, 4, 2)}  # its adder is one bit wide
PROGRAM = """
volatile uint32_t zeros[3], number = 7u, *nowhere;
int main(void) { %s }
"""


def compiled(build, body, core="picorv32", target=None, **options):
    return build(PROGRAM % body, target=target or CORES[core].targets[0], emulator=core, optimize="Os", **options)


def exported(folder, core, steps):
    """Export firmware that trains a few parameters; return model, run and records of NumPy's exact engine."""
    n_in, hidden, n_out = SIZES.get(core, (8, 16, 4))
    pixels = np.random.default_rng(5).integers(0, 17, (12, n_in)).astype(np.uint8)
    samples = firmware.Samples(pixels, labels=np.arange(12) % n_out, scale=1 / 16)
    model, records = bf.Sequential(n_in, [bf.Linear(hidden), bf.Tanh(), bf.Linear(n_out)], seed=2), Recorder()
    run = bf.train(
        model, (samples.x, samples.labels), estimator=bf.RGE(n_queries=1), update=bf.SGD(0.02), batch_size=2,
        max_steps=steps, engine="exact", callbacks=records, progress=False,
    )  # fmt: skip
    target = CORES[core].targets[0]
    firmware.export(model, folder, trainer=run.trainer, samples=samples, steps=steps, target=target)
    return model, run, records


@pytest.mark.parametrize("core", CORES)
def test_a_soft_core_trains_to_the_bits_of_this_computer(tmp_path, core):
    steps, target = 2 if core in ("picorv32", "vexriscv") else 1, CORES[core].targets[0]
    model, run, records = exported(tmp_path, core, steps)
    built = emulate.compile_firmware(tmp_path, target=target, emulator=core, optimize="Os")
    result = emulate.run_firmware(built, timeout_s=240)
    assert (result.exit_code, f"{result.hash:016x}") == (0, run.model.hash)
    np.testing.assert_array_equal(result.words.view(np.float32).reshape(steps, -1), np.reshape(records, (steps, -1)))
    theta = np.frombuffer(result.read_symbol("theta", 4 * model.graph.n_theta), "<f4")
    np.testing.assert_array_equal(theta, run.model.theta)
    cycles = [mark.cycles for mark in result.marks]
    assert [mark.number for mark in result.marks] == [firmware.MARK_STEP, firmware.MARK_STEP_DONE] * steps
    macs = 2 * 2 * model.macs  # of a step: two samples, two sides
    assert all(30 * macs < end - begin for begin, end in zip(cycles[::2], cycles[1::2])), "floats in software"
    assert sorted(cycles) == cycles and cycles[-1] < result.cycles and result.instructions is None
    on_unicorn = emulate.run_firmware(emulate.compile_firmware(tmp_path, target=target, optimize="Os"))
    assert abs(result.stack_bytes - on_unicorn.stack_bytes) <= 16


def test_the_command_tells_clock_cycles(tmp_path):
    _, run, _ = exported(tmp_path, "picorv32", 1)
    done = command("emulate", tmp_path, "--emulator", "picorv32", "--json", "-")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["hash"], told["equal"], told["instructions_per_step"]) == (run.model.hash, True, None)
    built = emulate.compile_firmware(tmp_path, target="rv32imc", emulator="picorv32", optimize="Os")
    begin, end = (mark.cycles for mark in emulate.run_firmware(built).marks)
    assert told["cycles_per_step"] == end - begin


def test_what_a_program_sends_and_leaves(build):
    body = """port_emit(PORT_MARK, 5u); port_emit(PORT_WORD, zeros[2] + number); port_emit(PORT_PUTC, 'h');
    port_emit(PORT_PUTC, 'i'); zeros[1] = 0xDEADBEEFu; ((volatile uint8_t *)zeros)[2] = 9u; return -3;"""
    result = emulate.run_firmware(compiled(build, body))
    assert (result.exit_code, result.text, result.hash) == (-3, "hi", None)
    assert result.words.tolist() == [7] and [mark.number for mark in result.marks] == [5]
    assert result.read_symbol("zeros", 12) == bytes.fromhex("00000900efbeadde00000000")
    assert 0 < result.stack_bytes < 64


@pytest.mark.parametrize("core", CORES)
def test_a_loop_takes_as_many_cycles_as_it_has_turns(build, core):
    """Cycles of twice the turns, minus those of the turns, are those of the turns: nothing else is counted."""
    body = """for (uint32_t n = 100u; n < 900u; n *= 2u) {
      port_emit(PORT_MARK, n); for (uint32_t i = 0; i < n; i++) zeros[0] += i; } port_emit(PORT_MARK, 0u); return 0;"""
    at = [mark.cycles for mark in emulate.run_firmware(compiled(build, body, core)).marks]
    _, first, second, third = np.diff(at)  # before them, caches have been filled
    assert abs((third - second) - 2 * (second - first)) <= 0.01 * third and first > 200 * 4


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    "body, what",
    [
        ("return (int)*nowhere;", "load from address 0x00000000"),
        ("nowhere = (volatile uint32_t *)0x30000000u; *nowhere = 1u; return 0;", "store to address 0x30000000"),
        # SERV does not look whether it knows an instruction, and takes this one for a load from 0.
        ('__asm__ volatile(".4byte 0x00000000"); return 0;', "instruction|fault handler|load from address 0x00000000"),
    ],
    ids=["load", "store", "instruction"],
)
def test_what_ends_a_run_early_is_said(build, core, body, what):
    with pytest.raises(emulate.EmulationError, match=what):
        emulate.run_firmware(compiled(build, body, core))


def test_an_endless_loop_ends(build):
    with pytest.raises(emulate.EmulationError, match="no end after 1 s"):
        emulate.run_firmware(compiled(build, "for (;;) number++;"), timeout_s=1)


def test_a_multiplication_traps_on_a_core_without(build):
    with pytest.raises(ValueError, match="emulator: expected one that has rv32imc, got 'serv': take picorv32"):
        compiled(build, "return 0;", "serv", target="rv32imc")


def test_instructions_are_not_counted(build):
    with pytest.raises(ValueError, match="count: expected none on picorv32"):
        emulate.run_firmware(compiled(build, "return 0;"), count=True)


def test_a_simulator_is_built_once(monkeypatch):
    first = simulator.simulator(CORES["picorv32"])
    monkeypatch.setattr(simulator.subprocess, "run", lambda *a, **k: pytest.fail("built again"))
    assert simulator.simulator(CORES["picorv32"]) == first


def test_another_test_bench_is_another_simulator(monkeypatch, tmp_path):
    changed = tmp_path / "testbench.v"
    changed.write_bytes(simulator.TESTBENCH.read_bytes() + b"// changed\n")
    first = simulator.simulator(CORES["picorv32"])
    monkeypatch.setattr(simulator, "TESTBENCH", changed)
    monkeypatch.setattr(simulator, "_build", lambda flags, sources, program: None)
    assert simulator.simulator(CORES["picorv32"]) != first


def test_a_test_bench_that_is_no_verilog_is_told(monkeypatch, tmp_path):
    (tmp_path / "testbench.v").write_text("module testbench; nonsense\n")
    monkeypatch.setattr(simulator, "TESTBENCH", tmp_path / "testbench.v")
    with pytest.raises(emulate.FirmwareBuildError, match="the simulator did not build"):
        simulator.simulator(CORES["picorv32"])


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(simulator.shutil, "which", lambda tool: None)
    assert simulator.missing(CORES["serv"]) == "apt install verilator make g++"
    with pytest.raises(ImportError, match="emulator='serv': apt install verilator make g"):
        simulator.simulator(CORES["serv"])
