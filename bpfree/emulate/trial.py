# SPDX-License-Identifier: MIT
"""One run of an exported folder in an emulator, measured: steps, instructions, memory, and the bits at the end."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bpfree.exporters.firmware import MARK_SKIPPED, MARK_STEP, MARK_STEP_DONE

from .build import compile_firmware
from .channels import PAINT
from .emulators import EMULATORS, run_firmware
from .exported import Exported, read_models, target_of
from .footprint import Footprint, footprint
from .program import Firmware
from .results import EmulationResult, Live, Mark, MarksMissingError


@dataclass(frozen=True)
class Trial:
    """What a run showed.

    sizes: None on the host, whose C library counts. arenas: bytes of the arena that were used, by model; empty where
    the emulator does not let look into memory.
    """

    firmware: Firmware
    models: list[Exported]
    sizes: Footprint | None
    result: EmulationResult
    arenas: dict[str, int]
    skipped: int
    seconds: float

    @property
    def steps(self) -> int:
        """Training steps that were made or skipped."""
        return sum(mark.number == MARK_STEP_DONE for mark in self.result.marks)

    @property
    def cycles_per_step(self) -> int | None:
        """Clock cycles of the first step, which soft cores tell; None elsewhere, and where there is no step."""
        at: dict[int, int | None] = {}
        for mark in self.result.marks:
            at.setdefault(mark.number, mark.cycles)
        begin, end = (at.get(number) for number in (MARK_STEP, MARK_STEP_DONE))
        return None if begin is None or end is None else end - begin

    @property
    def expected(self) -> int | None:
        """The hash with which the last model of main.c must end, None where the folder does not know it."""
        return self.models[-1].hash if self.models else None

    @property
    def equal(self) -> bool | None:
        """Whether the bits are those of the computer that exported the folder; None where the folder does
        not know them, or a main of one's own sends none."""
        known = None not in (self.expected, self.result.hash)
        return self.result.hash == self.expected if known else None


def compile_folder(folder: str | os.PathLike[str], scratch: Path, *, target: str | None = None, **options) -> Firmware:
    """Compile an exported folder for `target`, or the one it was exported for; options are those of compile_firmware.

    Raises FileNotFoundError where there is no main.c, and what compile_firmware raises.
    """
    place = Path(folder)
    if not (place / "main.c").is_file():
        way = "`bpfree export firmware MODEL FOLDER` writes one; yours needs `int main(void)`, see port/port.h"
        raise FileNotFoundError(f"folder: expected main.c in {place}, got none: {way}")
    name = target or target_of(place) or "cortex-m4f"
    return compile_firmware(place, target=name, output=scratch / "firmware.elf", **options)


def run_folder(
    folder: str | os.PathLike[str],
    *,
    timeout_s: float = 600.0,
    on_step: Callable[[int, Live | None], None] | None = None,
    **options,
) -> Trial:
    """Compile an exported folder, run it from reset to its end, and measure it.

    Args:
        folder: what `bpfree export firmware` wrote; main.c may be yours, and its steps are counted if it sends
            marks as the exported one does.
        timeout_s: limit of the run in seconds.
        on_step: called after each step with how many are done, and the memory where the emulator lets look into it.
        options: target, compiler, optimize, lto, emulator and others of `compile_firmware`.

    Raises what `compile_firmware` and `run_firmware` raise, and FileNotFoundError where there is no main.c.
    """
    started, models = time.monotonic(), read_models(folder)
    with tempfile.TemporaryDirectory(prefix="bpfree-") as scratch:
        built = compile_folder(folder, Path(scratch), **options)
        watch, between = _Watch(models, on_step), {}
        if EMULATORS[built.emulator].counts:
            between = {"count_between": (MARK_STEP, MARK_STEP_DONE)}
        try:
            result = run_firmware(built, timeout_s=timeout_s, on_mark=watch, **between)
        except MarksMissingError:  # a main of one's own, or one that only predicts
            result = run_firmware(built, timeout_s=timeout_s)
        sizes = footprint(built) if built.target.bare else None
    arenas = {model.name: _used(result, model) for model in watch.painted}
    return Trial(built, models, sizes, result, arenas, watch.skipped, time.monotonic() - started)


class _Watch:
    """Paints the arenas of models that train at the first mark, before any of them runs, and counts steps."""

    def __init__(self, models: list[Exported], on_step) -> None:
        self.models, self.on_step = models, on_step
        self.painted: list[Exported] = []
        self.done = self.skipped = 0

    def __call__(self, mark: Mark) -> None:
        if mark.number == MARK_STEP and not self.done and mark.live is not None and not self.painted:
            for model in self.models:
                if model.arena_floats and model.steps is not None:  # one that only predicts may have run before
                    mark.live.write_symbol(model.arena, bytes([PAINT]) * 4 * model.arena_floats)
                    self.painted.append(model)
        self.skipped += mark.number == MARK_SKIPPED
        if mark.number == MARK_STEP_DONE:
            self.done += 1
            if self.on_step is not None:
                self.on_step(self.done, mark.live)


def _used(result: EmulationResult, model: Exported) -> int:
    """Return the bytes up to the last one of the arena whose paint is gone."""
    arena = np.frombuffer(result.read_symbol(model.arena, 4 * model.arena_floats), np.uint8)
    used = np.flatnonzero(arena != PAINT)
    return int(used[-1]) + 1 if used.size else 0
