# SPDX-License-Identifier: MIT
"""Do all processors, compilers and flags come to the same bits? One small training run, compiled and run on each.

The network has tensor-train cores, tanh and softmax, the update divides by square roots (Adam), so that every
function of the runtime's arithmetic takes part. What a build must come to is computed here, by the compiled engine and
by NumPy's exact mode, which have to agree first.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import bpfree as bf
from bpfree import emulate
from bpfree.bench.rows import missing, row
from bpfree.emulate.emulators import has
from bpfree.emulate.frameworks import FRAMEWORKS
from bpfree.emulate.hosts import HOSTS, Host, run_on_host
from bpfree.exporters import firmware

STEPS = 2


@dataclass(frozen=True)
class Build:
    """One way to compile and run: a target, a compiler with its options, and the machine it runs on.

    flags: what a framework passes in the place of ours; `framework` is its name, `optimize` then says nothing.
    """

    target: str
    compiler: str
    emulator: str
    optimize: str = "Os"
    lto: bool = False
    framework: str = ""
    flags: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The name of this row, which no other row has."""
        options = self.framework or (f"{self.optimize}-lto" if self.lto else self.optimize)
        return f"{self.target}/{self.compiler}-{options}/{self.emulator}"

    @property
    def missing(self) -> str:
        """What to install to make and run it, or ""."""
        target = emulate.TARGETS[self.target]
        tools = (emulate.COMPILERS[self.compiler], emulate.EMULATORS[self.emulator])
        return ", ".join(way for tool in tools if (way := tool.missing(target)))

    def run(self, folder: Path) -> tuple[str, int | None]:
        """Return compiler and flags, and the hash at the end; raise where it does not build or run."""
        program = emulate.compile_firmware(
            folder, target=self.target, compiler=self.compiler, emulator=self.emulator, optimize=self.optimize,
            lto=self.lto, flags=self.flags,
        )  # fmt: skip
        told = f"{program.compiler} {' '.join(program.flags)}"
        return told, emulate.run_firmware(program, timeout_s=300).hash


@dataclass(frozen=True)
class OtherComputer:
    """The program compiled by somebody who knows none of our flags, on this computer or another one's processor."""

    host: Host

    @property
    def name(self) -> str:
        """The name of this row, which no other row has."""
        return f"{self.host.name}/{self.host.runner or 'host'}"

    @property
    def missing(self) -> str:
        """What to install to make and run it, or ""."""
        return self.host.missing

    def run(self, folder: Path) -> tuple[str, int | None]:
        """Return compiler and flags, and the hash at the end; raise where it does not build or run."""
        ends = ", big endian" if self.host.big_endian else ""
        return " ".join((self.host.compiler, *self.host.flags)) + ends, run_on_host(folder, self.host)[1]["hash"]


def builds(quick: bool = False) -> list[Build | OtherComputer]:
    """Return every build: zig in unicorn and on soft cores, GCC in qemu, clang, levels, frameworks, other computers.

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
    for own in FRAMEWORKS.values():
        emulator = "qemu" if emulate.TARGETS[own.target].unicorn is None else "unicorn"
        machines.append(Build(own.target, own.compiler, emulator, lto=own.lto, framework=own.name, flags=own.flags))
    return machines + [OtherComputer(host) for host in HOSTS.values()]


def _targets(emulator: str) -> list[str]:
    return [name for name, target in emulate.TARGETS.items() if has(emulate.EMULATORS[emulator], target)]


def problem() -> tuple[bf.Model, bf.Trainer, firmware.Samples]:
    """Return the network, how it is trained, and the samples: small, as the slowest soft core has one bit a cycle."""
    rng = np.random.default_rng(5)
    samples = firmware.Samples(rng.normal(size=(12, 4)).astype(np.float32), labels=np.arange(12) % 3)
    layers = [bf.TTLinear((2, 2), (2, 2), rank=2), bf.Tanh(), bf.Linear(3)]
    model = bf.Sequential(4, layers, seed=2)
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.RGE(n_queries=1), bf.Adam(0.05), batch_size=1)
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
    with tempfile.TemporaryDirectory(prefix="bpfree-") as folder:
        firmware.export(model, folder, trainer=trainer, samples=samples, steps=STEPS)
        for build in builds(quick):
            rows.append(_row(build, Path(folder), wanted))
    ran = [entry["value"] for entry in rows if entry["value"] is not None]
    counts = {"targets_run": len(ran), "targets_equal": sum(ran)}
    return rows + [row("device", "hashes", name, count, "builds", f"{wanted}: here") for name, count in counts.items()]


def _row(build: Build | OtherComputer, folder: Path, wanted: str) -> dict:
    """Return the row of one build: 1 where its hash is the wanted one, else 0; None where a tool is missing."""
    case = f"hashes/{build.name}"
    if build.missing:
        return missing("device", case, "equal", "hashes", f"missing: {build.missing}")
    try:
        told, found = build.run(folder)
    except (emulate.FirmwareBuildError, emulate.EmulationError) as error:
        return row("device", case, "equal", 0, "hashes", " ".join(str(error).splitlines()[:2]))
    text = "no hash" if found is None else f"{found:016x}"
    return row("device", case, "equal", int(text == wanted), "hashes", f"{text}: {told}")
