# SPDX-License-Identifier: MIT
"""Firmware: a folder of C sources that trains a model on a microcontroller.

The folder is complete: the model's tables, the parts of the runtime it uses, a
port (startup, linker script, one file of output to replace), samples, a main.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bpfree.engines.batch import check_weights, mean_1
from bpfree.engines.given import check_finite_rows
from bpfree.errors import check_count, check_unmasked
from bpfree.estimators.device import OPTIONS
from bpfree.exporters import main_source, makefile_source, model_source
from bpfree.exporters.c_text import array, float_literal
from bpfree.exporters.folder import marked, write_folder
from bpfree.exporters.ports import port_files
from bpfree.exporters.runtime import listed_sources, runtime_folder
from bpfree.exporters.targets import TARGETS, Target, find_target
from bpfree.graph.c_tables import device_tables
from bpfree.model import Model
from bpfree.trainer import Trainer
from bpfree.updates.coefficient_limit import coefficient_limit

__all__ = ["MARK_SKIPPED", "MARK_STEP", "MARK_STEP_DONE", "TARGETS", "Samples", "export"]

MARK_STEP, MARK_STEP_DONE, MARK_SKIPPED = 1, 2, 3
"""Marks the program sends before and after each training step, and behind one that was skipped."""

_YOURS = ("main.c", "Makefile", "port/port.c", "port/port.h", "port/startup.c", "port/memory.c", "port/link.ld")
"""Files that are made to be changed; the others fit each other, and one that somebody changed would fit no more."""

_STALE = ("samples.c", "runtime/**/*", "port/*")
"""What an export with other settings does not have."""

_OPTION = "#define {} {}\n"
"""How config.h gives an option its default."""


@dataclass(frozen=True)
class Samples:
    """Training samples for the device's flash.

    rows: (n, features) uint8 with x = scale * byte, or float32 (then scale is
    1). labels (n,) for classification, or targets (n, outputs) float32. weights
    (n,) float32, of a trainer that is `weighted`: divided by their mean, as `train` does.
    """

    rows: np.ndarray
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None
    scale: float = 1.0
    weights: np.ndarray | None = None

    @property
    def x(self) -> np.ndarray:
        """What the network sees, (n, features) float32: the same bits as on the device."""
        return self.rows.astype(np.float32) * np.float32(self.scale)


def export(
    model, folder, *, trainer, samples: Samples | None = None, steps: int = 100, target: str = "cortex-m4f"
) -> Path:
    """Write firmware sources that train `model` for `steps` steps; returns the folder.

    `make` in the folder builds it with the target's GCC, `bpfree.emulate`
    compiles it with pip packages alone and runs it.

    Args:
        model: starting parameters, kept in flash and copied to RAM.
        folder: made if missing. Each file's first line has a hash of the rest, so that files of an earlier export
            are replaced and one that you changed is yours: main.c, Makefile and port/ are then kept, with a
            warning that names them; others are an error. Files that stay the same are not touched.
        trainer: loss, estimator, update, seed and batch size, such as `run.trainer`.
        samples: what the device draws shuffled minibatches from. None: you write
            `int sample(...)` (bpfree_sample_fn of runtime/bpfree/train.h), from a sensor say.
        steps: training steps of the main program, of which it skips what `train` skips: those that have a bad
            sample, or a loss or an update that is not finite.
        target: a name in `TARGETS`, such as "cortex-m4f" or "rv32imc"; "host" is this computer.

    All files are rendered before any is written; where a write fails, the folder is as it was.

    Raises ValueError naming the argument when something does not fit, OSError when a write fails.
    """
    row = find_target(target)
    check_count("steps", steps)
    if not isinstance(model, Model) or not isinstance(trainer, Trainer):
        wanted = "a Model and a Trainer, such as run.model and run.trainer"
        raise TypeError(f"model, trainer: expected {wanted}, got {model!r} and {trainer!r}")
    if trainer.graph.hash() != model.graph.hash():
        raise ValueError("trainer: expected the trainer of this model, got one of another graph")
    model.check_finite()
    if samples is not None:
        _check_samples(model.graph, trainer, samples)
    kept = write_folder(Path(folder), _render(model, trainer, samples, steps, row), _YOURS, _STALE)
    if kept:
        names, way = ", ".join(kept), "delete what you want to have written anew"
        warnings.warn(f"folder: kept {names} in {folder}, as export did not write them so: {way}", stacklevel=2)
    return Path(folder)


def _render(model, trainer, samples, steps, target: Target) -> dict[str, bytes]:
    """Return the bytes of every file of the export, by its name in the folder."""
    tables, limit = device_tables(trainer), coefficient_limit(trainer, model.theta)
    files = {
        "model.h": model_source.header(tables, main_source.trainer_sizes(tables, trainer)),
        "model.c": model_source.source(model.graph, tables, model.theta, model.frozen),
        "trainer.c": main_source.trainer(trainer, limit),
        "main.c": main_source.main(steps, (MARK_STEP, MARK_STEP_DONE, MARK_SKIPPED)),
    }
    if samples is not None:
        files["samples.c"] = samples_source(samples, trainer)
    files |= {f"runtime/{name}": text for name, text in _runtime(tables, trainer).items()}
    files |= {f"port/{name}": path.read_text("utf-8") for name, path in port_files(target).items()}
    rendered = {name: marked(text) for name, text in files.items()}
    return rendered | {"Makefile": marked(makefile_source.render(target), "# {}")}


def samples_source(samples: Samples, trainer) -> str:
    """samples.c: the data as const arrays and the trainer's sample function."""
    return main_source.SAMPLES.format(
        rows=_data("uint8_t" if samples.rows.dtype == np.uint8 else "float", "rows", samples.rows),
        targets=_data("uint32_t", "labels", samples.labels)
        if trainer.loss.labels
        else _data("float", "targets", samples.targets),
        weights=_data("float", "weights", _weights(samples)) if trainer.weighted else "",
        assign="y->label = labels[row];" if trainer.loss.labels else "y->values = targets + row * MODEL_OUTPUTS;",
        weigh="  y->weight = weights[row];\n" if trainer.weighted else "",
        scale=float_literal(samples.scale),
        n=len(samples.rows),
        seed=trainer.seed,
        batch=trainer.batch_size,
    )


def _data(kind: str, name: str, values) -> str:
    items = values.reshape(-1)
    texts = map(float_literal, items) if kind == "float" else items.tolist()
    return array(f"static const {kind} {name}", texts, "DATA")


def _check_samples(graph, trainer, samples) -> None:
    for name in ("rows", "labels", "targets", "weights"):
        check_unmasked(f"samples.{name}", getattr(samples, name))
    rows = samples.rows
    if rows.ndim != 2 or rows.shape[1] != graph.input.size or rows.dtype not in (np.uint8, np.float32):
        raise ValueError(
            f"samples.rows: expected uint8 or float32 of shape (n, {graph.input.size}), got {rows.dtype} {rows.shape}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        check_finite_rows("samples.rows" if samples.scale == 1 else "samples.rows times samples.scale", samples.x)
    if trainer.batch_size > len(rows):
        raise ValueError(f"samples.rows: expected at least batch_size={trainer.batch_size} rows, got {len(rows)}")
    name, wanted = ("labels", (len(rows),)) if trainer.loss.labels else ("targets", (len(rows), graph.output.size))
    given = getattr(samples, name)
    kind = np.integer if trainer.loss.labels else np.floating
    if given is None or given.shape != wanted or not np.issubdtype(given.dtype, kind):
        raise ValueError(f"samples.{name}: expected {kind.__name__} of shape {wanted}, got {_describe(given)}")
    if not trainer.loss.labels:
        check_finite_rows("samples.targets", given)
    if (samples.weights is not None) != trainer.weighted:
        what = "weights, as the trainer's samples have some" if trainer.weighted else "None, as the trainer reads none"
        raise ValueError(f"samples.weights: expected {what}, got {_describe(samples.weights)}")
    if trainer.weighted:
        _weights(samples)  # raises where they are none
    if trainer.loss.labels and not 0 <= given.min() <= given.max() < graph.output.size:
        allowed = f"labels in [0, {graph.output.size - 1}]"
        raise ValueError(f"samples.labels: expected {allowed}, got {given.min()} to {given.max()}")


def _weights(samples) -> np.ndarray:
    """The weights as `train` makes them of these samples."""
    name = "samples.weights"
    return mean_1(name, check_weights(name, samples.weights, len(samples.rows)))


def _runtime(tables, trainer) -> dict[str, str]:
    """The runtime's headers, the sources every program needs, and those that this model and trainer name."""
    symbols = {row.kernel for row in tables.nodes} | {row.c for row in trainer.rows["links"]}
    symbols |= {trainer.rows["estimator"].c, trainer.rows["loss"].c}
    symbols |= {row.c for row in trainer.rows["schedules"].values() if row}
    sources = [*listed_sources()["core"], *(f"{symbol.removeprefix('bpfree_')}.c" for symbol in sorted(symbols))]
    sources += [path.name for path in (runtime_folder() / "src").glob("*.h") if path.name != "registry_isa.h"]
    headers = [path for path in (runtime_folder() / "include" / "bpfree").iterdir() if path.name != "host.h"]
    files = {f"bpfree/{path.name}": path.read_text("utf-8") for path in headers}
    wanted = set(trainer.rows["estimator"].device.wants(trainer.estimator))
    if any(tensor.row != tensor.size for tensor in tables.tensors):
        wanted.add("BPFREE_GAPS")
    if trainer.weighted:
        wanted.add("BPFREE_WEIGHTS")
    for name in {*OPTIONS, "BPFREE_GAPS", "BPFREE_WEIGHTS"} - wanted:
        files["bpfree/config.h"] = files["bpfree/config.h"].replace(_OPTION.format(name, 1), _OPTION.format(name, 0))
    return files | {name: (runtime_folder() / "src" / name).read_text("utf-8") for name in sources}


def _describe(array) -> str:
    """dtype and shape, for a message."""
    return "None" if array is None else f"{array.dtype} {array.shape}"
