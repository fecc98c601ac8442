# SPDX-License-Identifier: MIT
"""`bpfree demo`: train handwritten digits on the computer, then on an emulated microcontroller."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import bpfree as bf
from bpfree import emulate, native
from bpfree.cli.commands import Command, option, usage
from bpfree.datasets import load_digits
from bpfree.engines import ReferenceEngine
from bpfree.errors import CoreMissingError
from bpfree.exporters import firmware
from bpfree.journal import Journal, replay
from bpfree.screen.plots import plot_demo
from bpfree.screen.progress import live_bar
from bpfree.study.floors import random_features_floor

# Chosen on the validation split; the test split is used in the last table only.
PHASES = ((1000, 0.1), (500, 0.03))
"""(steps, learning rate) of each phase of training on the computer."""

ON_COMPUTER = {"estimator": bf.RGE(n_queries=64, mu=2.0**-4), "batch_size": 128}
ON_DEVICE = {"estimator": bf.RGE(n_queries=8), "batch_size": 32}
DEVICE_STEPS, DEVICE_LR, DEVICE_SAMPLES = 40, 0.005, 200
"""Training on the device: steps, learning rate, and the number of samples, the last of the training split.

The computer does not train on these samples.
"""


def network(seed: int = 0) -> bf.Model:
    """Return a network of 64 inputs, a tensor-train layer of 32 units and 10 classes."""
    return bf.Sequential(64, [bf.TTLinear((8, 8), (4, 8), rank=6), bf.ReLU(), bf.Linear(10)], seed=seed)


def split(digits):
    """Return the training samples of the computer and those of the device."""
    n = len(digits.train.x)
    return digits.train.part(0, n - DEVICE_SAMPLES), digits.train.part(n - DEVICE_SAMPLES, n)


@dataclass
class OnDevice:
    """The training on the emulated microcontroller: its settings, its result and its footprint."""

    trainer: bf.Trainer
    samples: firmware.Samples
    sizes: object
    result: object
    flags: str

    def journal(self, base_hash: str) -> Journal:
        """Return the journal of the records that the device sent, one row of coefficients per step."""
        words = self.result.words.view(np.float32)
        records = list(words.reshape(DEVICE_STEPS, *self.trainer.record_shape))
        return Journal(base_hash, self.trainer.settings(), records=records)


@click.command(
    cls=Command,
    examples=(
        ("bpfree demo", "run the demo, in about a minute"),
        ("bpfree demo --folder other --seed 1", "run it from another start"),
    ),
    after="`bpfree train digits` trains with settings of your own.",
)
@option("--folder", type=click.Path(path_type=Path), default=Path("bpfree-demo"), show_default=True, group="Output",
        help="Folder for the picture, the model and the firmware.")
@option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, group="Run",
        help="Seed of everything random.")
def demo(folder: Path, seed: int) -> None:  # fmt: skip
    """Train digits without back-propagation, then continue training on an emulated Cortex-M4F.

    The demo needs the packages of `pip install "bpfree[emulate,plot]"` but no
    board. It ends with one table and three equal hashes, and exits with 1 if
    they differ.
    """
    check_installed()
    console = Console()
    folder.mkdir(parents=True, exist_ok=True)
    digits, model = load_digits(), network(seed)
    mine, new = split(digits)
    console.print("[bold]bpfree demo[/bold]: training with forward passes only, nothing is differentiated\n")
    console.print(f"1. {len(mine.x)} handwritten digits, {model.graph.n_theta} parameters, compiled engine")
    runs = train_on_computer(model, mine, digits.validation, seed)
    trained = runs[-1].model
    trained.save(folder / "digits.npz")

    console.print(f"2. the model as C99 firmware on an emulated Cortex-M4F, learning {len(new.x)} more")
    device = train_on_device(trained, new, folder / "firmware", seed)

    console.print("3. the same steps on this computer, and the device's journal replayed in NumPy\n")
    again = bf.train(
        trained, (device.samples.x, device.samples.labels), update=bf.SGD(DEVICE_LR), **ON_DEVICE,
        max_steps=DEVICE_STEPS, seed=device.trainer.seed, engine="compiled", progress=False,
    )  # fmt: skip
    journal = device.journal(trained.hash)
    replayed = replay(journal, device.trainer, trained.theta, ReferenceEngine(exact=True))
    hashes = {
        "Cortex-M4F (emulated)": f"{device.result.hash:016x}",
        "this computer, compiled engine": again.model.hash,
        "NumPy, replay of the device's journal": bf.theta_hash(replayed),
    }
    final = bf.Model(model.graph, replayed, model.frozen)
    splits = {"train": mine, "test": digits.test, "validation": digits.validation}
    floor = random_features_floor(network(seed), **splits).accuracy
    linear = random_features_floor(bf.Sequential(64, [bf.Linear(10)]), **splits).accuracy
    console.print(results(runs, device, final, digits.test, floor, linear))
    plot_demo(runs, again, floor, folder / "demo.png")
    console.print(f"\n[bold]theta after {DEVICE_STEPS} steps on the device[/bold]")
    for where, value in hashes.items():
        console.print(f"  {value}  {where}")
    equal = len(set(hashes.values())) == 1
    console.print("  [green]equal: the same bits[/green]" if equal else "  [red]NOT EQUAL: please report this[/red]")
    for what, name in (("\npicture ", "demo.png"), ("model   ", "digits.npz"), ("firmware", "firmware")):
        console.print(f"{what}  {folder / name}")
    if not equal:
        sys.exit(1)


def check_installed() -> None:
    """Raise where a package or the compiled core is missing, before any time is spent."""
    missing = [name for name in ("ziglang", "unicorn", "elftools", "capstone", "matplotlib") if not find_spec(name)]
    if missing:
        raise click.ClickException(f'{", ".join(missing)} missing: pip install "bpfree[emulate,plot]"')
    try:
        native.core()
    except CoreMissingError as error:
        raise click.ClickException(str(error)) from None


def train_on_computer(model, samples, validation, seed: int) -> list[bf.Run]:
    """Train the phases, each from the model of the one before and with its own seed; return their runs."""
    runs = []
    for phase, (steps, lr) in enumerate(PHASES):
        model = runs[-1].model if runs else model
        run = bf.train(
            model, samples, update=bf.SGD(lr), **ON_COMPUTER, max_steps=steps, seed=_seed(seed, phase),
            validation=validation, validate_every=50, engine="compiled", progress=True,
        )  # fmt: skip
        runs.append(run)
    return runs


def _seed(seed: int, phase: int) -> int:
    """Return the seed of a phase, which differs from those of any other --seed."""
    return (10 * seed + phase) % 2**32


def train_on_device(model, digits, folder: Path, seed: int) -> OnDevice:
    """Export and compile the model, and train it on the emulated device; the bar follows the marks that it sends."""
    samples = firmware.Samples(digits.pixels, labels=digits.labels, scale=1 / 16)
    trainer = bf.Trainer(
        model.graph, model.frozen, "cross_entropy", update=bf.SGD(DEVICE_LR), seed=_seed(seed, len(PHASES)),
        **ON_DEVICE,
    )  # fmt: skip
    with usage():
        firmware.export(model, folder, trainer=trainer, samples=samples, steps=DEVICE_STEPS)
    built = emulate.compile_firmware(folder, optimize="Os")
    with live_bar(DEVICE_STEPS, "Cortex-M4F", True) as update:
        done = 0

        def on_mark(mark):
            nonlocal done
            done += mark.number == firmware.MARK_STEP_DONE
            update(done, "steps on the emulated device")

        between = (firmware.MARK_STEP, firmware.MARK_STEP_DONE)
        result = emulate.run_firmware(built, count_between=between, on_mark=on_mark, timeout_s=300)
    if result.exit_code:
        raise click.ClickException(f"the firmware ended with status {result.exit_code}")
    return OnDevice(trainer, samples, emulate.footprint(built), result, f"{built.compiler}, -{built.optimize}")


def results(runs, device: OnDevice, final, test, floor: float, linear: float) -> Table:
    """Return the table of the last screen."""
    model = runs[-1].model
    rows = [
        ("test accuracy, trained on the computer", f"{model.accuracy(*test):.1%}"),
        ("  after learning more on the device", f"{final.accuracy(*test):.1%}"),
        ("  floor: same network, random features + ridge", f"{floor:.1%}"),
        ("  for comparison: linear ridge on the pixels", f"{linear:.1%}"),
        ("parameters", f"{model.graph.n_theta:,}"),
        ("forwards (passes of one sample)", f"{sum(run.forwards for run in runs):,}"),
        ("  MACs", f"{sum(run.macs for run in runs):,}"),
        ("  seconds", f"{sum(run.seconds for run in runs):.1f}"),
        (f"device: Cortex-M4F, {device.flags}", ""),
        ("  RAM (theta, arena, sample, context)", f"{device.sizes.ram_bytes:,} B"),
        ("  stack", f"{device.result.stack_bytes:,} B"),
        ("  flash, code", f"{device.sizes.flash_bytes:,} B"),
        ("  flash, initial weights + samples", f"{device.sizes.weights_bytes + device.sizes.data_bytes:,} B"),
        ("  instructions per step", f"{device.result.instructions:,}"),
        ("  of which one sample and query", f"{device.result.instructions // _evaluations(device):,}"),
    ]
    table = Table(show_header=False, title="results", title_justify="left")
    for name, value in rows:
        table.add_row(name, value, style=None if value else "dim")
    return table


def _evaluations(device: OnDevice) -> int:
    groups, each = device.trainer.estimator.record_shape(device.trainer.graph)
    return device.trainer.batch_size * groups * each
