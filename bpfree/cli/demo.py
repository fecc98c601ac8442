# SPDX-License-Identifier: MIT
"""`bpfree demo`: train handwritten digits on the computer; their world changes; an emulated microcontroller adapts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np
from rich.console import Console

import bpfree as bf
from bpfree import emulate, native
from bpfree.cli.commands import Command, option, usage
from bpfree.cli.demo_results import accuracies, results
from bpfree.datasets import load_digits
from bpfree.datasets.digits import Digits
from bpfree.engines import ReferenceEngine
from bpfree.errors import CoreMissingError
from bpfree.exporters import firmware
from bpfree.journal import Journal, replay
from bpfree.screen.plots import plot_demo
from bpfree.screen.progress import live_bar

# Chosen on the validation split; the test split is used in the last table only.
PHASES = ((1000, 0.1), (500, 0.03))
"""(steps, learning rate) of each phase of training on the computer."""

ON_COMPUTER = {"estimator": bf.RGE(n_queries=64, mu=2.0**-4), "batch_size": 128}
ON_DEVICE = {
    "losses only": {"estimator": bf.RGE(n_queries=8), "update": bf.SGD(bf.cosine_decay(0.05, 500)), "batch_size": 32},
    "unit-wise": {"estimator": bf.UnitWise(), "update": bf.SGD(bf.cosine_decay(0.15, 500)), "batch_size": 1},
}
"""How the device trains: as a black box, in the memory of inference; and with a look into the layers."""

DEVICE_STEPS, DEVICE_SAMPLES = 500, 200
"""Steps on the device, and the number of its samples, the last of the training split.

The computer does not train on these samples, and the device sees them after the world has changed only.
"""

SHIFT = 2
"""Pixels by which the pictures move in the changed world, right and down."""


def network(seed: int = 0) -> bf.Model:
    """Return a network of 64 inputs, a tensor-train layer of 32 units and 10 classes."""
    return bf.Sequential(64, [bf.TTLinear((8, 8), (4, 8), rank=6), bf.ReLU(), bf.Linear(10)], seed=seed)


def split(digits):
    """Return the training samples of the computer and those of the device."""
    n = len(digits.train.x)
    return digits.train.part(0, n - DEVICE_SAMPLES), digits.train.part(n - DEVICE_SAMPLES, n)


def moved(digits: Digits) -> Digits:
    """Return the samples as the device's camera sees them: SHIFT pixels lower and to the right, half as bright."""
    pictures = digits.pixels.reshape(-1, 8, 8)
    seen = np.zeros_like(pictures)
    seen[:, SHIFT:, SHIFT:] = pictures[:, :-SHIFT, :-SHIFT] // 2
    pixels = seen.reshape(len(seen), -1)
    return type(digits).of_pixels(pixels, digits.labels)


@dataclass
class OnDevice:
    """A training on the emulated microcontroller: its settings, its result and its footprint."""

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

    def again(self, model, engine, validation=None) -> bf.Run:
        """Return the same training on this computer, from the same model."""
        own = self.trainer
        return bf.train(
            model, (self.samples.x, self.samples.labels), estimator=own.estimator, update=own.update,
            batch_size=own.batch_size, max_steps=DEVICE_STEPS, seed=own.seed, engine=engine, progress=False,
            validation=validation, validate_every=10,
        )  # fmt: skip


@click.command(
    cls=Command,
    examples=(
        ("bpfree demo", "run the demo, in about a minute"),
        ("bpfree demo --folder other --seed 1", "run it from another start"),
    ),
    after="`bpfree train digits` trains with settings of your own.",
)
@option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("bpfree-demo"),
    show_default=True,
    group="Output",
    help="Folder for the picture, the model and the firmware.",
)
@option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    group="Run",
    help="Seed of everything random.",
)
def demo(folder: Path, seed: int) -> None:  # fmt: skip
    """Train digits without back-propagation; their world changes, and an emulated Cortex-M4F adapts to it.

    The computer trains a network. Then the pictures move by two pixels and lose
    half their contrast, and the network is lost. As firmware on an emulated
    microcontroller it learns from 200 labelled pictures of the changed world.

    The demo needs the packages of `pip install "bpfree[emulate,plot]"` but no
    board. It ends with one table, a picture and three equal hashes, and exits
    with 1 if they differ.
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

    world = {"train": moved(new), "validation": moved(digits.validation), "test": moved(digits.test)}
    console.print("2. the world changes: pictures move by two pixels and lose half their contrast")
    console.print(f"3. the model as C99 firmware on an emulated Cortex-M4F, learning from {len(new.x)} such pictures")
    devices = {
        name: train_on_device(trained, world["train"], folder / f"firmware-{name.replace(' ', '-')}", name, seed)
        for name in ON_DEVICE
    }

    console.print("4. the same steps on this computer, and the device's journal replayed in NumPy\n")
    again = {name: device.again(trained, "compiled", world["validation"]) for name, device in devices.items()}
    journaled = devices["losses only"]
    replayed = replay(journaled.journal(trained.hash), journaled.trainer, trained.theta, ReferenceEngine(exact=True))
    hashes = {
        "Cortex-M4F (emulated)": f"{journaled.result.hash:016x}",
        "this computer, compiled engine": again["losses only"].model.hash,
        "NumPy, replay of the device's journal": bf.theta_hash(replayed),
    }
    adapted = {name: run.model for name, run in again.items()}
    adapted["unit-wise"].save(folder / "adapted.npz")
    found = accuracies(trained, adapted, model, digits.test, world)
    console.print(results(runs, devices, DEVICE_STEPS, found))
    plot_demo(digits.test, world["test"], again, found, folder / "demo.png")
    console.print(f"\n[bold]theta after {DEVICE_STEPS} steps on the device, by losses only[/bold]")
    for where, value in hashes.items():
        console.print(f"  {value}  {where}")
    equal = len(set(hashes.values())) == 1
    equal &= f"{devices['unit-wise'].result.hash:016x}" == adapted["unit-wise"].hash
    told = "[green]equal: the same bits, unit-wise too[/green]" if equal else "[red]NOT EQUAL: please report this[/red]"
    console.print(f"  {told}")
    console.print("\npicture ", folder / "demo.png")
    console.print("models  ", folder / "digits.npz", "and", folder / "adapted.npz")
    console.print("firmware", folder / "firmware-losses-only", "and", folder / "firmware-unit-wise")
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


def device_seed(seed: int) -> int:
    """Return the seed of the training on the device."""
    return _seed(seed, len(PHASES))


def train_on_device(model, digits, folder: Path, name: str, seed: int) -> OnDevice:
    """Export and compile the model, and train it on the emulated device; the bar follows the marks that it sends."""
    samples = firmware.Samples(digits.pixels, labels=digits.labels, scale=1 / 16)
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", seed=device_seed(seed), **ON_DEVICE[name])
    with usage():
        firmware.export(model, folder, trainer=trainer, samples=samples, steps=DEVICE_STEPS)
    built = emulate.compile_firmware(folder, optimize="Os")
    with live_bar(DEVICE_STEPS, "Cortex-M4F", True) as update:
        done = 0

        def on_mark(mark):
            nonlocal done
            done += mark.number == firmware.MARK_STEP_DONE
            update(done, f"steps on the emulated device, {name}")

        between = (firmware.MARK_STEP, firmware.MARK_STEP_DONE)
        result = emulate.run_firmware(built, count_between=between, on_mark=on_mark, timeout_s=300)
    if result.exit_code:
        raise click.ClickException(f"the firmware ended with status {result.exit_code}")
    return OnDevice(trainer, samples, emulate.footprint(built), result, f"{built.compiler}, -{built.optimize}")
