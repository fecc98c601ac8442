# SPDX-License-Identifier: MIT
"""Do all processors, compilers and flags come to the same bits? One small training run, compiled and run on each.

The network has tensor-train cores, tanh and softmax, the update divides by square roots (Adam), so that every
function of the runtime's arithmetic takes part. What a build must come to is computed here, by the compiled engine and
by NumPy's exact mode, which have to agree first.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import bpfree as bf
from bpfree import emulate
from bpfree.bench.rows import missing, row
from bpfree.emulate.emulators import has
from bpfree.exporters import firmware

STEPS = 3


@dataclass(frozen=True)
class Build:
    """One way to compile and run: a target, a compiler with its options, and the machine it runs on."""

    target: str
    compiler: str
    emulator: str
    optimize: str = "Os"
    lto: bool = False

    @property
    def name(self) -> str:
        """What tells it apart from the others."""
        options = f"{self.optimize}-lto" if self.lto else self.optimize
        return f"{self.target}/{self.compiler}-{options}/{self.emulator}"

    @property
    def lacks(self) -> str:
        """What to install to make and run it, or ""."""
        target = emulate.TARGETS[self.target]
        tools = (emulate.COMPILERS[self.compiler], emulate.EMULATORS[self.emulator])
        return ", ".join(way for tool in tools if (way := tool.missing(target)))


def builds(quick: bool = False) -> list[Build]:
    """Return every build: zig in unicorn, GCC in qemu, soft cores, clang; all levels of optimisation on one target.

    quick: only what pip packages compile and run.
    """
    machines = [
        Build(target, "zig", emulator)
        for emulator in emulate.EMULATORS
        for target in _targets(emulator)
        if emulator != "qemu"
    ]
    if quick:
        return [build for build in machines if build.emulator in ("unicorn", "host")]
    machines += [Build(target, "gnu", "qemu") for target in _targets("qemu")]
    machines += [Build(target, "clang", "qemu") for target in ("cortex-m0", "cortex-m55", "rv32imafc")]
    levels = [level for level in emulate.OPTIMIZE_LEVELS if level != "Os"]
    machines += [Build("cortex-m4f", compiler, "unicorn", level) for compiler in ("zig", "gnu") for level in levels]
    ways = (("cortex-m4f", "unicorn"), ("rv32imafc", "unicorn"), ("host", "host"))
    machines += [
        Build(target, compiler, emulator, "O2", lto=True)
        for target, emulator in ways
        for compiler in emulate.COMPILERS
    ]
    return machines


def _targets(emulator: str) -> list[str]:
    return [name for name, target in emulate.TARGETS.items() if has(emulate.EMULATORS[emulator], target)]


def problem() -> tuple[bf.Model, bf.Trainer, firmware.Samples]:
    """Return the network, how it is trained, and the samples, 16 inputs and 4 classes."""
    rng = np.random.default_rng(5)
    samples = firmware.Samples(rng.normal(size=(12, 16)).astype(np.float32), labels=np.arange(12) % 4)
    layers = [bf.TTLinear((4, 4), (4, 4), rank=2), bf.Tanh(), bf.Linear(4)]
    model = bf.Sequential(16, layers, seed=2)
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.RGE(n_queries=1), bf.Adam(0.05), batch_size=2)
    return model, trainer, samples


def expected(model, trainer, samples) -> str:
    """Return the hash of theta after the steps, by two engines; raise where they differ."""
    hashes = {
        engine: bf.train(
            model, (samples.x, samples.labels), estimator=trainer.estimator, update=trainer.update,
            batch_size=trainer.batch_size, max_steps=STEPS, seed=trainer.seed, engine=engine, progress=False,
        ).model.hash
        for engine in ("compiled", "exact")
    }  # fmt: skip
    if len(set(hashes.values())) != 1:
        raise RuntimeError(f"the engines of this computer differ: {hashes}")
    return hashes["compiled"]


def run(quick: bool = False) -> list[dict]:
    """Return a row for each build, and how many of those that ran ended with the computer's bits."""
    model, trainer, samples = problem()
    wanted, rows = expected(model, trainer, samples), []
    for build, found in outcomes(builds(quick), model, trainer, samples):
        if found is None:
            rows.append(missing("device", f"hashes/{build.name}", "equal", "hashes", f"missing: {build.lacks}"))
        else:
            told, text = found
            same = int(text == wanted)
            rows.append(row("device", f"hashes/{build.name}", "equal", same, "hashes", f"{text}: {told}"))
    ran = [entry["value"] for entry in rows if entry["value"] is not None]
    counts = {"targets_run": len(ran), "targets_equal": sum(ran)}
    return rows + [row("device", "hashes", name, count, "builds", f"{wanted}: here") for name, count in counts.items()]


def outcomes(wanted: list[Build], model, trainer, samples) -> Iterator[tuple[Build, tuple[str, str] | None]]:
    """Yield each build with its compiler and flags as text and the hash it ended with; None where a tool is missing."""
    with tempfile.TemporaryDirectory(prefix="bpfree-") as folder:
        firmware.export(model, folder, trainer=trainer, samples=samples, steps=STEPS)
        for build in wanted:
            yield build, None if build.lacks else _outcome(build, Path(folder))


def _outcome(build: Build, folder: Path) -> tuple[str, str]:
    try:
        program = emulate.compile_firmware(
            folder, target=build.target, compiler=build.compiler, emulator=build.emulator, optimize=build.optimize,
            lto=build.lto,
        )  # fmt: skip
    except emulate.FirmwareBuildError as error:
        return str(error).splitlines()[0], "did not build"
    told = f"{program.compiler} {' '.join(program.flags)}"
    try:
        result = emulate.run_firmware(program)
    except emulate.EmulationError as error:
        return told, f"did not run: {error}"
    return told, f"{result.hash:016x}" if result.hash is not None else f"no hash, exit code {result.exit_code}"
