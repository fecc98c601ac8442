# SPDX-License-Identifier: MIT
"""`bpfree export firmware MODEL FOLDER`: C sources that train the model on a device."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path

import click

from bpfree.cli import networks
from bpfree.cli.commands import Command, option, usage
from bpfree.cli.info_runs import check_not_diverged
from bpfree.cli.output import Screen, facts, json_option
from bpfree.cli.own_rows import LossName, load_model, rows_option
from bpfree.cli.training_options import build, training_options

ON_DEVICE = {"estimator": "rge", "n_queries": 8, "update": "sgd", "lr": 5e-3, "batch_size": 32}
"""Settings of training on a device where none are given: plain SGD needs no RAM for state."""

_SAMPLES = 100
_SCALES = (1.0, 1 / 16, 1 / 255, 1 / 256)
"""Constants to try for samples that are bytes times a constant, which take a quarter of the flash."""


@click.command(
    cls=Command,
    examples=(
        ("bpfree train digits --out digits.npz", "make a model"),
        ("bpfree export firmware digits.npz firmware --data digits", "write sources with 100 samples in flash"),
        ("bpfree export firmware digits.npz firmware --data digits --samples 200 --update adam --lr 0.001",
         "use another update, and see how much RAM it needs"),
        ("bpfree export firmware digits.npz bare", "leave out samples: you write the function that delivers them"),
    ),
    after="`make` in the folder builds firmware.elf with arm-none-eabi-gcc; bpfree.emulate in Python compiles and "
    "runs it with packages from PyPI alone. main.c, port/ and the Makefile are yours to change: exporting again "
    "keeps those that you changed, and says so.",
)  # fmt: skip
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@networks.freezing_options("Program")
@option("--data", group="Samples in flash", help="A data set or an .npz file, as for `bpfree train`.")
@option("--samples", "count", type=click.IntRange(1), group="Samples in flash", metavar="N",
        help=f"Number of training samples to store.  [{_SAMPLES}]")
@option("--steps", type=int, default=100, show_default=True, group="Program", help="Training steps of main.c.")
@option("--target", default="cortex-m4f", show_default=True, group="Program", help="The processor.")
@option("--batch-size", type=int, group="Program", help=f"Samples per step.  [{ON_DEVICE['batch_size']}]")
@option("--seed", type=int, default=0, show_default=True, group="Program", help="Seed of batches and directions.")
@option("--loss", type=LossName(), group="Program",
        help="The loss; default: cross_entropy where y holds classes or without --data, mse where y holds targets.")
@training_options
@rows_option
@json_option
def export_firmware(model: Path, folder: Path, json_file, **given) -> None:
    """Write C99 sources to FOLDER that continue to train MODEL on a microcontroller.

    The folder is complete: it holds the model's tables and weights, the parts
    of the runtime that this model uses, a port, a main program and a Makefile.
    With --data it also holds samples in flash, as bytes where they are bytes
    times a constant. The default estimator is RGE with 8 queries, the default
    update SGD with lr 0.005. The device computes the same bits as `bpfree` here.
    """
    from bpfree.cli import data as data_sets

    if given["count"] is not None and given["data"] is None:
        raise click.UsageError("--samples: expected --data as well, got none")
    check_folder(folder)
    check_not_diverged(model)
    screen, network = Screen(json_file), networks.split(load_model(model), given)
    data = samples = None
    if given["data"] is not None:
        data = data_sets.load(given["data"])
        networks.check_fits(network, data, "MODEL")
        samples = flash_samples(data, given["count"] or _SAMPLES)
    with usage(rows="data", labels="data", targets="data", **{"samples.rows": "data", "samples.labels": "data"}):
        trainer = _trainer(network, data, samples, given)
        warned = _export(network, folder, trainer, samples, given)
    figures = _figures(network, trainer, samples)
    screen.show(facts(_rows(folder, trainer, samples, given["steps"], figures)))
    for message in warned:
        screen.say(message)
    if samples is None:
        screen.say(f"write `int sample(...)`, declared in {folder}/runtime/bpfree/train.h, to deliver the samples")
    screen.say(f"\nnext\n  make -C {shlex.quote(str(folder))}    (arm-none-eabi-gcc)")
    screen.result(
        "export firmware",
        {
            "model": model,
            "hash": network.hash,
            "folder": folder,
            "target": given["target"],
            "steps": given["steps"],
            "samples": 0 if samples is None else len(samples.rows),
            "settings": _settings(trainer),
            **figures,
            "warnings": warned,
        },
    )


def _trainer(network, data, samples, given):
    """Return the trainer that the device is given, with the defaults of a device; data and samples may be None."""
    from bpfree.study.layer_ratios import layer_ratios
    from bpfree.trainer import Trainer

    loss = given["loss"] or "cross_entropy" if data is None else data.loss_unless(given["loss"])

    def layer_shares(method, fraction):
        if method == "grasp" and data is None:
            raise click.UsageError("--ratios: expected --data as well for grasp, which measures losses, got none")
        train = None if data is None else data.splits["train"]
        with usage():
            return layer_ratios(method, network, train, fraction=fraction, loss=loss, seed=given["seed"])

    estimator, update = build(given, ON_DEVICE, lambda estimator, update: given["steps"], layer_shares)
    batch_size = given["batch_size"]
    if batch_size is None:
        batch_size = ON_DEVICE["batch_size"] if samples is None else min(ON_DEVICE["batch_size"], len(samples.rows))
    return Trainer(network.graph, network.frozen, loss, estimator, update, batch_size, given["seed"])


def _export(network, folder: Path, trainer, samples, given) -> list[str]:
    """Write the folder, and return the warnings that came with it."""
    from bpfree.exporters import firmware

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        firmware.export(network, folder, trainer=trainer, samples=samples, steps=given["steps"], target=given["target"])
    return [str(warning.message) for warning in caught]


def _figures(network, trainer, samples) -> dict:
    """Return the bytes that the program needs, by kind of memory."""
    from bpfree.cli.footprint import training_bytes

    return {
        "ram_bytes": training_bytes(trainer),
        "flash_weights_bytes": 4 * (network.graph.n_theta + network.graph.n_frozen),
        "flash_samples_bytes": 0 if samples is None else _bytes_in_flash(samples),
    }


def _settings(trainer) -> dict:
    """Return how the device trains, as the JSON object has it."""
    return {
        "loss": trainer.loss.name,
        "estimator": repr(trainer.estimator),
        "update": repr(trainer.update),
        "batch_size": trainer.batch_size,
        "seed": trainer.seed,
    }


def _rows(folder: Path, trainer, samples, steps: int, figures: dict) -> list:
    """Return the facts that are shown of an export."""
    ram, in_flash = figures["ram_bytes"], figures["flash_samples_bytes"]
    parts = ", ".join(f"{name} {size:,}" for name, size in ram.items() if name != "total" and size)
    run = f"{trainer.loss.name}, batch_size {trainer.batch_size}, {steps} steps, seed {trainer.seed}"
    return [
        ("folder", folder),
        ("method", f"{trainer.estimator}, {trainer.update}"),
        ("run", run),
        ("RAM without stack", f"{ram['total']:,} B: {parts}"),
        ("flash for weights", f"{figures['flash_weights_bytes']:,} B"),
        ("flash for samples", None if samples is None else f"{in_flash:,} B: {_describe(samples)}"),
    ]


def check_folder(folder: Path) -> None:
    """Raise unless the folder is new, empty or an earlier export, because exporting replaces what is in it."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    from bpfree.exporters.manifest import is_exported

    if not is_exported(folder):
        raise click.BadParameter(
            f"expected a new folder, an empty one or an earlier export, got {folder}, which holds something else",
            param_hint="FOLDER",
        )


def flash_samples(data, count: int):
    """Return the first training samples as a device stores them: as bytes and a scale where that is exact."""
    import numpy as np

    from bpfree.exporters.firmware import Samples

    x, y = (part[:count] for part in data.splits["train"])
    x = np.asarray(x, np.float32).reshape(len(x), -1)
    target = {"labels": np.asarray(y)} if data.labels else {"targets": np.asarray(y, np.float32).reshape(len(y), -1)}
    for scale in _SCALES:
        rows = np.rint(x / np.float32(scale))
        if rows.min() >= 0 and rows.max() <= 255:
            packed = Samples(rows.astype(np.uint8), **target, scale=scale)
            if np.array_equal(packed.x, x):
                return packed
    return Samples(np.ascontiguousarray(x), **target)


def _bytes_in_flash(samples) -> int:
    labels = 4 * len(samples.rows) if samples.targets is None else samples.targets.nbytes
    return samples.rows.nbytes + labels


def _describe(samples) -> str:
    kind = "floats" if samples.rows.dtype.kind == "f" else f"bytes times {samples.scale:g}"
    return f"{len(samples.rows):,} samples, {kind}"
