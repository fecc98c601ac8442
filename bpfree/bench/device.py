# SPDX-License-Identifier: MIT
"""What does training cost on a Cortex-M4F? RAM, flash and instructions, beside back-propagation.

The network 64-32-10 (Linear, ReLU, Linear: 2,410 float32 parameters) and tensor-train networks learn by RGE and SGD
on the emulated processor. Random directions need less RAM and flash than back-propagation, but many more instructions
to the same accuracy. Unit-wise probes of the dense network need RAM in addition, and fewer instructions.

A row `NAME@TARGET` is one ELF file: all numbers of a case are measured on it, and the reference says which compiler
and flags built it. `NAME@TARGET/BUILD` is the same program, built otherwise (:mod:`bpfree.bench.device_cases`).

- Sizes are those of the firmware without the initial weights and the samples in flash, minus an empty program.
- `instructions_per_step`: the first step of the case. Where a case is not tuned that is one sample, one two-sided
  query (or all units), and the update. A step of back-propagation on one sample learns far more than a query, so
  this number means little without the ones below.
- `instructions_to_90`, `instructions_to_95` of tuned cases: instructions until the validation accuracy first reaches
  90 % or 95 %. Ours are the number of steps, found by the compiled engine (which computes the device's bits), times
  the instructions of a step of that ELF file. The rivals' are the number of samples that plain back-propagation in
  NumPy takes from the same weights in the same order, times their instructions per sample. Validation is
  not counted. The same split decides when a target is reached.

Rivals are published figures; AIfES is compiled and measured here, with the same compiler, port and flags, where the
environment variable `BPFREE_AIFES` names a checkout of AIfES_for_Arduino.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import mean, stdev

import bpfree as bf
from bpfree import emulate
from bpfree.bench import device_hashes, device_rivals, device_rtl
from bpfree.bench.device_accuracy import SEEDS, TARGETS, samples_of_backprop, steps_of_training
from bpfree.bench.device_cases import BOTH, BUILDS, CASES, PREDICT, TARGET, Build, Case, figures_of, samples_of
from bpfree.bench.device_rivals import MLP, unit_of
from bpfree.bench.rows import missing, row
from bpfree.emulate.compilers import COMPILERS
from bpfree.exporters import firmware


def run(quick: bool = False) -> list[dict]:
    """Return sizes, and instructions per step and to an accuracy.

    quick: two builds of each case, one seed, and only to 90 %.
    """
    seeds, targets = (SEEDS[:1], ("to_90",)) if quick else (SEEDS, tuple(TARGETS))
    figures = device_rivals.figures()
    rivals = device_rivals.rows(figures) + _learning_rows(figures, samples_of_backprop(seeds, targets))
    rows = []
    for name, case in CASES.items():
        steps = steps_of_training(case, seeds, targets) if case.tuned else {}
        for build in case.builds:
            if not quick or build in BOTH:
                rows += _rows_of(name, case, build, steps, rivals)
    return rows + rivals + device_hashes.run(quick) + device_rtl.run(quick)


def measure(case: Case, build: Build) -> tuple[dict[str, int], str]:
    """Return the bytes of the firmware and the instructions of its first step, and what compiler and flags built it."""
    model = case.network(0)
    trainer = bf.Trainer(
        model.graph, model.frozen, "cross_entropy", case.estimator, case.update, case.batch_size
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="bpfree-") as folder:
        if case.inference:
            firmware.export(model, Path(folder), inference=True, target=TARGET)
            (Path(folder) / "main.c").write_text(PREDICT, "utf-8")
        else:
            firmware.export(model, Path(folder), trainer=trainer, samples=samples_of(case), steps=1, target=TARGET)
        built = emulate.compile_firmware(
            folder, target=TARGET, compiler=build.compiler, optimize=build.optimize, lto=build.lto,
            defines=build.defines,
        )  # fmt: skip
        found = figures_of(built)
    return found, f"{built.compiler} {build.text}"


def _rows_of(name: str, case: Case, build: str, steps: dict, rivals: list[dict]) -> list[dict]:
    """Return the rows of one ELF file, each with its ratio to back-propagation where that was measured."""
    full = f"{name}@{TARGET}" + (f"/{build}" if build else "")
    trainer = bf.Trainer(case.network(0).graph, [], "cross_entropy", case.estimator, case.update, case.batch_size)
    if trainer.refusal:
        return [missing("device", full, "flash_bytes", "B", f"does not run on a device: {trainer.refusal}")]
    lacking = COMPILERS[BUILDS[build].compiler].missing(emulate.TARGETS[TARGET])
    if lacking:
        return [missing("device", full, "flash_bytes", "B", f"the compiler is not installed: {lacking}")]
    figures, text = measure(case, BUILDS[build])
    ours = {metric: [value] for metric, value in figures.items()}
    for target, found in steps.items():
        ours[f"samples_{target}"] = _times(found, case.batch_size)
        ours[f"instructions_{target}"] = _times(found, figures["instructions_per_step"])
    rival = {r["metric"]: r for r in rivals if r["case"] == f"{MLP}/aifes"} if _compares(name) else {}
    return [row_of(full, metric, values, text, rival.get(metric)) for metric, values in ours.items()]


def _compares(name: str) -> bool:
    """Return whether back-propagation was measured for a network of these sizes."""
    return name.startswith(("mlp", "tt")) and not CASES[name].inference


def _learning_rows(figures: dict, needed: dict[str, list]) -> list[dict]:
    """Return the samples back-propagation takes to each target, and its instructions by the figures of a step."""
    rows = []
    for name, (numbers, text) in figures.items():
        step = numbers["instructions_per_step"]
        for target, found in needed.items():
            why = "back-propagation SGD in NumPy, this run"
            rows.append(row_of(name, f"samples_{target}", found, why))
            rows.append(row_of(name, f"instructions_{target}", _times(found, step), f"samples x {step:,} {text}"))
    return rows


def _times(found, factor: int) -> list:
    return [None if number is None else number * factor for number in found]


def row_of(name: str, metric: str, values: list, text: str, rival: dict | None = None) -> dict:
    """Return the row of a mean over seeds, with its ratio to a rival's row; no value if a seed missed the target.

    text: what the numbers are of, which follows the rival's name in the reference.
    """
    if None in values:
        why = f"not reached by {values.count(None)} of {len(values)} seeds"
        return row("device", name, metric, None, unit_of(metric), why, seeds=len(values))
    value, ratio = mean(values), None
    if rival is not None and rival["value"]:
        text, ratio = f"{rival['case']}; {text}", value / rival["value"]
    std = stdev(values) if len(values) > 1 else None
    return row("device", name, metric, value, unit_of(metric), text, ratio, len(values), std)
