# SPDX-License-Identifier: MIT
"""`bpfree emulate FOLDER`: compile an exported program and run it on an emulated board, measured."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click
import numpy as np

from bpfree.cli.commands import Command, Failure, option, usage
from bpfree.cli.output import Screen, facts, json_option
from bpfree.cli.own_rows import load_model, rows_option

_CHECK = 5
"""Steps between two measurements of the accuracy, as in `bpfree bench device`."""


@click.command(
    cls=Command,
    examples=(
        ("bpfree train digits --out digits.npz", "make a model"),
        ("bpfree export firmware digits.npz firmware --data digits --steps 40", "write firmware that trains it on"),
        ("bpfree emulate firmware", "run it on the board that it was exported for"),
        ("bpfree emulate firmware --target rv32imc --optimize O2", "run the same on another processor: same hash"),
        ("bpfree emulate firmware --model digits.npz --data digits --to 0.97",
         "measure accuracy on the way, and the instructions until it is 97 %"),
    ),
    after="`bpfree footprint FOLDER` shows what takes flash and RAM. docs/porting.md: your own board.",
)  # fmt: skip
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@option("--target", group="Machine", help="A processor of the table in docs/porting.md.  [that of FOLDER]")
@option("--emulator", group="Machine",
        help="unicorn (counts instructions), qemu, or host.  [the first that has the target]")
@option("--timeout", type=click.FloatRange(0, min_open=True), default=600.0, show_default=True, group="Machine",
        metavar="SECONDS", help="Give up after this time.")
@option("--compiler", default="zig", show_default=True, group="Compiler", help="zig, gnu or clang.")
@option("--optimize", default="Os", show_default=True, group="Compiler", help="Os, Oz, O0, O1, O2 or O3.")
@option("--lto", is_flag=True, group="Compiler", help="Optimise the whole program at once.")
@option("--model", type=click.Path(exists=True, dir_okay=False, path_type=Path), group="Accuracy",
        help="The model that was exported, to know its layers.")
@option("--data", group="Accuracy", help="A data set or an .npz file, as for `bpfree train`: its validation split, "
        "or else its test split, is what accuracy is measured on.")
@option("--to", type=click.FloatRange(0, 1, min_open=True), group="Accuracy", metavar="ACCURACY",
        help=f"Count the instructions until this accuracy, looked at every {_CHECK} steps.")
@rows_option
@json_option
def emulate(folder: Path, model, data, to, timeout, json_file, **build) -> None:
    """Compile FOLDER, run its program from reset to the end, and print what it took.

    FOLDER is one that `bpfree export firmware` wrote; main.c may be your own.
    The emulated boards need nothing but the packages of
    `pip install "bpfree[emulate]"`, and count instructions exactly. Stack and
    arena are painted before the run; what is no longer paint at the end was
    used. Exits with 1 where the program fails, or where its bits are not those
    of the computer that exported it.
    """
    from bpfree import emulate as machines
    from bpfree.emulate.exported import read_models, target_of

    models = read_models(folder)
    build["target"] = build["target"] or target_of(folder)
    screen, judge = Screen(json_file), _judge(model, data, to, models)
    steps = sum(entry.steps or 0 for entry in models)
    with usage(), _bar(steps, build["target"]) as update:

        def on_step(done: int, memory) -> None:
            update(done, "steps on the emulated board")
            judge.look(done, memory)

        try:
            trial = machines.run_folder(folder, timeout_s=timeout, on_step=on_step, **build)
        except (machines.FirmwareBuildError, machines.EmulationError, ImportError, FileNotFoundError) as error:
            raise Failure(str(error)) from error
    judge.finish(trial)
    screen.show(facts(_rows(trial, judge)))
    screen.result("emulate", _document(trial, judge, folder))
    if trial.result.exit_code or trial.equal is False:
        raise Failure(_complaint(trial))


def _bar(steps: int, target: str | None):
    """Return the context of a progress bar over the steps, or of none where nobody knows how many there are."""
    from bpfree.screen.progress import live_bar

    return live_bar(steps, target or "emulated board") if steps else nullcontext(lambda done, text="": None)


class _Judge:
    """The accuracy of theta in the device's memory, on samples of the computer."""

    def __init__(self, network, x, y, split: str, to: float | None) -> None:
        self._network, self._x, self._y, self.split, self.to = network, x, y, split, to
        self.before, self.after = network.accuracy(x, y), None
        self.reached = 0 if to is not None and self.before >= to else None

    def look(self, done: int, memory) -> None:
        """Measure every few steps until the wanted accuracy is there."""
        if self.to is not None and self.reached is None and done % _CHECK == 0 and memory is not None:
            if self._accuracy(memory) >= self.to:
                self.reached = done

    def finish(self, trial) -> None:
        """Measure at the end."""
        if len(trial.models) == 1 and trial.firmware.target.bare:
            self.after = self._accuracy(trial.result, trial.models[0].theta)

    def _accuracy(self, memory, name: str = "theta") -> float:
        from bpfree.model import Model

        theta = np.frombuffer(memory.read_symbol(name, self._network.theta.nbytes), "<f4")
        return Model(self._network.graph, theta, self._network.frozen).accuracy(self._x, self._y)


class _NoJudge:
    """In the place of a _Judge where there is no model or no data."""

    before = after = reached = to = split = None

    def look(self, done: int, memory) -> None:
        """Do nothing."""

    def finish(self, trial) -> None:
        """Do nothing."""


def _judge(model, data, to, models):
    if model is None and data is None and to is None:
        return _NoJudge()
    if model is None or data is None:
        raise click.UsageError("--model, --data: expected both, to measure accuracy, got one or none of them")
    from bpfree.cli import data as data_sets
    from bpfree.cli import networks

    network, samples = load_model(model), data_sets.load(data)
    networks.check_fits(network, samples, "--model")
    if [entry.parameters for entry in models] != [network.graph.n_theta]:
        told = " and ".join(f"{entry.name} of {entry.parameters:,}" for entry in models) or "none"
        raise click.UsageError(
            f"--model: expected the one model of FOLDER, got {network.graph.n_theta:,} parameters; in FOLDER is {told}"
        )
    if not samples.labels:
        raise click.UsageError("--data: expected classes, as accuracy is a share of right ones, got targets")
    split = next(name for name in ("validation", "test", "train") if name in samples.splits)
    return _Judge(network, *samples.splits[split], split, to)


def _per_step(trial) -> int | None:
    return trial.result.instructions if trial.steps else None


def _to(trial, judge) -> int | None:
    each = _per_step(trial)
    return None if judge.reached is None or each is None else judge.reached * each


def _rows(trial, judge) -> list:
    """Return the facts that are shown."""
    built, result, sizes = trial.firmware, trial.result, trial.sizes
    plan = 4 * sum(model.ram_floats for model in trial.models)
    end = {None: "nothing to compare it with", True: "equal to the computer's", False: "NOT EQUAL"}
    rows = [
        ("machine", f"{built.target.name} in {built.emulator}"),
        ("compiler", f"{built.compiler}, -{built.optimize}" + ", -flto" * built.lto),
        ("exit code", result.exit_code),
        ("text", result.text.strip() or None),
        ("steps", f"{trial.steps:,}" + f", {trial.skipped:,} of them skipped" * bool(trial.skipped)),
        ("theta at the end", None if result.hash is None else f"{result.hash:016x}, {end[trial.equal]}"),
        ("instructions, first step", None if _per_step(trial) is None else f"{_per_step(trial):,}"),
        ("stack", None if result.stack_bytes is None else f"{result.stack_bytes:,} B"),
        ("RAM without stack", sizes and f"{sizes.ram_bytes:,} B" + f", plan {plan:,} B" * bool(plan)),
    ]
    for model in trial.models:
        if model.name in trial.arenas:
            used = f"{trial.arenas[model.name]:,} of {4 * model.arena_floats:,} B planned"
            rows.append((f"arena of {model.name}", used))
    rows += [
        ("flash, code", sizes and f"{sizes.flash_bytes:,} B"),
        ("flash, weights + samples", sizes and f"{sizes.weights_bytes + sizes.data_bytes:,} B"),
    ]
    if judge.before is not None:
        after = "" if judge.after is None else f" before, {judge.after:.2%} after"
        rows.append((f"accuracy, {judge.split}", f"{judge.before:.2%}{after}"))
    if judge.to is not None:
        rows.append((f"steps to {judge.to:.0%}", "not reached" if judge.reached is None else f"{judge.reached:,}"))
        total = _to(trial, judge)
        rows.append((f"instructions to {judge.to:.0%}", None if total is None else f"{total:,}"))
    return [*rows, ("seconds", f"{trial.seconds:.1f}")]


def _document(trial, judge, folder: Path) -> dict:
    """Return the JSON object."""
    built, result, sizes = trial.firmware, trial.result, trial.sizes  # sizes are None on the host
    return {
        "folder": folder,
        "target": built.target.name,
        "emulator": built.emulator,
        "compiler": built.compiler,
        "flags": list(built.flags),
        "exit_code": result.exit_code,
        "text": result.text,
        "steps": trial.steps,
        "skipped": trial.skipped,
        "hash": None if result.hash is None else f"{result.hash:016x}",
        "expected_hash": None if trial.expected is None else f"{trial.expected:016x}",
        "equal": trial.equal,
        "instructions_per_step": _per_step(trial),
        "stack_bytes": result.stack_bytes,
        **{name: getattr(sizes, name, None) for name in ("ram_bytes", "flash_bytes", "weights_bytes", "data_bytes")},
        "models": [
            {
                "name": model.name,
                "parameters": model.parameters,
                "planned_ram_bytes": 4 * model.ram_floats,
                "planned_arena_bytes": None if model.arena_floats is None else 4 * model.arena_floats,
                "arena_bytes": trial.arenas.get(model.name),
            }
            for model in trial.models
        ],
        "accuracy": {"split": judge.split, "before": judge.before, "after": judge.after},
        "to": {"accuracy": judge.to, "steps": judge.reached, "instructions": _to(trial, judge)},
        "seconds": trial.seconds,
    }


def _complaint(trial) -> str:
    code = trial.result.exit_code
    if code:
        return f"the program ended with {code}: a status of runtime/bpfree/bpfree.h, or what your main() returns"
    return f"the bits differ: expected {trial.expected:016x}, got {trial.result.hash:016x}: please report this"
