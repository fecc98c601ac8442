# SPDX-License-Identifier: MIT
"""What does a training step cost on a soft core? Clock cycles, on the core's own Verilog in simulation.

The network is small, 8-16-4, as a simulator is a thousand times slower than an FPGA: one step of RGE and plain SGD,
one two-sided query of four samples, float32 in software. A step's cycles over the multiply-adds of its forward passes
are `cycles_per_mac`; what is not a forward pass - random numbers, the loss, the update - is in it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import bpfree as bf
from bpfree import emulate
from bpfree.bench.rows import missing, row
from bpfree.emulate.rtl.cores import CORES
from bpfree.exporters import firmware

NAME = "mlp-8-16-4"
BATCH = 4


def run(quick: bool = False) -> list[dict]:
    """Return the rows of every core: cycles, and whether theta is this computer's; or what is not installed.

    quick: the first core alone; SERV takes half a minute.
    """
    rows = []
    for name, core in list(CORES.items())[: 1 if quick else None]:
        case, target = f"{NAME}@{name}", emulate.find_target(core.targets[0])
        if way := emulate.EMULATORS[name].missing(target):
            rows.append(missing("device", case, "cycles_per_step", "cycles", way))
            continue
        found = measure(name)
        same = "theta as on this computer" if found["equal"] else "theta is NOT that of this computer"
        reference = f"{core.what}, {target.name}, {found['compiler']}, -Os; {same}"
        for metric in ("cycles_per_step", "cycles_per_mac"):
            rows.append(row("device", case, metric, found[metric], "cycles", reference))
    return rows


def measure(emulator: str) -> dict:
    """Return the cycles of the first step on a core, per step and per multiply-add, and whether the bits are ours."""
    target = CORES[emulator].targets[0]
    model, expected, trainer, samples = network()
    compiler = "zig" if emulate.COMPILERS["gnu"].missing(emulate.find_target(target)) else "gnu"
    with tempfile.TemporaryDirectory(prefix="bpfree-") as folder:
        firmware.export(model, Path(folder), trainer=trainer, samples=samples, steps=1, target=target)
        built = emulate.compile_firmware(folder, target=target, optimize="Os", compiler=compiler, emulator=emulator)
        result = emulate.run_firmware(built, timeout_s=300)
    if result.exit_code:
        raise RuntimeError(f"the firmware ended with status {result.exit_code}")
    at = {mark.number: mark.cycles for mark in result.marks}
    cycles = at[firmware.MARK_STEP_DONE] - at[firmware.MARK_STEP]
    macs = 2 * BATCH * model.macs
    return {
        "cycles_per_step": cycles,
        "cycles_per_mac": cycles / macs,
        "equal": f"{result.hash:016x}" == expected,
        "compiler": built.compiler,
    }


def network() -> tuple[bf.Model, str, bf.Trainer, firmware.Samples]:
    """Return the network, its hash after one step on this computer, and what the firmware trains it with."""
    pixels = np.random.default_rng(5).integers(0, 17, (32, 8)).astype(np.uint8)
    samples = firmware.Samples(pixels, labels=np.arange(32) % 4, scale=1 / 16)
    model = bf.Sequential(8, [bf.Linear(16), bf.Tanh(), bf.Linear(4)], seed=2)
    run = bf.train(
        model, (samples.x, samples.labels), estimator=bf.RGE(n_queries=1), update=bf.SGD(0.02), batch_size=BATCH,
        max_steps=1, progress=False,
    )  # fmt: skip
    return model, run.model.hash, run.trainer, samples
