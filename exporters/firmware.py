# SPDX-License-Identifier: MIT
"""Firmware: a folder of C sources that trains models on a microcontroller, or predicts with them.

The folder is complete: the tables of its models, the parts of the runtime they
use, a port (startup, linker script, one file of output to replace), samples, a main.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from bpfree.errors import check_choice, check_count
from bpfree.estimators.device import OPTIONS
from bpfree.exporters import (
    expected,
    journal_size,
    main_source,
    makefile_source,
    manifest,
    model_source,
    trainer_source,
)
from bpfree.exporters import samples as sample_source
from bpfree.exporters.folder import marked, write_folder
from bpfree.exporters.manifest import Entry, Manifest
from bpfree.exporters.names import DEFAULT, Names, check_name
from bpfree.exporters.ports import REPORTS, port_files
from bpfree.exporters.runtime import listed_sources, runtime_folder
from bpfree.exporters.samples import Samples
from bpfree.exporters.targets import TARGETS, find_target
from bpfree.graph.c_tables import device_tables, model_tables
from bpfree.model import Model
from bpfree.trainer import Trainer
from bpfree.updates.coefficient_limit import coefficient_limit

__all__ = ["MARK_SKIPPED", "MARK_STEP", "MARK_STEP_DONE", "TARGETS", "Samples", "export"]

MARK_STEP, MARK_STEP_DONE, MARK_SKIPPED = main_source.MARKS.values()
"""Marks the program sends before and after each training step, and behind one that was skipped."""

PORTS = (*REPORTS, "none")
"""How a program reports: to the emulator, to the console of qemu or a debug probe, or as you write it."""

_PROGRAM = {False: ("report.c", "report.h"), True: ("report.c", "report.h", "log.c", "log.h")}
"""What main.c includes of ports/program, without and with a log."""

_YOURS = ("main.c", "Makefile", *_PROGRAM[True],
          "port/port.c", "port/port.h", "port/startup.c", "port/memory.c", "port/link.ld")  # fmt: skip
"""Files that are made to be changed; the others fit each other, and one that somebody changed would fit no more."""

_STALE = ("log.c", "log.h", "runtime/**/*", "port/*")
"""What an export with other settings does not have."""

_OPTION = "#define {} {}\n"
"""How config.h gives an option its default."""


def export(
    model,
    folder,
    *,
    trainer=None,
    samples: Samples | None = None,
    steps: int = 100,
    target: str = "cortex-m4f",
    name: str = DEFAULT,
    inference: bool = False,
    journal: bool = False,
    port: str = "mailbox",
) -> Path:
    """Write firmware sources that train `model` for `steps` steps, or predict with it; returns the folder.

    `make` in the folder builds it with the target's GCC, `bpfree.emulate`
    compiles it with pip packages alone and runs it. The program ends by comparing
    what it made with what the compiled engine makes of the same samples here: it
    returns 0 where the bits are equal.

    Args:
        model: starting parameters, kept in flash and, for training, copied to RAM.
        folder: made if missing. Each file's first line has a hash of the rest, so that files of an earlier export
            are replaced and one that you changed is yours: main.c, report.c, log.c, Makefile and port/ are then
            kept, with a warning that names them; others are an error. Files that stay the same are not touched.
        trainer: loss, estimator, update, seed and batch size, such as `run.trainer`.
        samples: what the device draws shuffled minibatches from, or predicts in order. None: you write
            `int sample(...)` (bpfree_sample_fn of runtime/bpfree/train.h), from a sensor say, and nothing is compared.
        steps: training steps of the main program, of which it skips what `train` skips: those that have a bad
            sample, or a loss or an update that is not finite. With inference and without samples: how many of
            yours it predicts.
        target: a name in `TARGETS`, such as "cortex-m4f" or "rv32imc"; "host" is this computer.
        name: begins the names of files and symbols. Another name in the same folder adds a model: they share one
            runtime, and main.c runs all, by name. Delete a model's header, and the next export leaves it out.
        inference: only predict: no trainer, and no code that trains is linked.
        journal: keep a log of the run in RAM, from which `bpfree replay` makes it again on a computer.
        port: how the program reports: "mailbox" (the emulator), "semihosting" (qemu, debug probes), or "none": you
            write port_emit() of port/port.h, and bring startup code and a linker script.

    All files are rendered before any is written; where a write fails, the folder is as it was.

    Raises ValueError naming the argument when something does not fit, OSError when a write fails.

    >>> import bpfree as bf, tempfile
    >>> model = bf.Sequential(4, [bf.Linear(2)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = bf.exporters.firmware.export(model, folder, inference=True, name="kws")
    ...     print(*sorted(path.name for path in Path(folder).glob("*.[ch]")))
    kws.c kws.h main.c report.c report.h
    """
    find_target(target)
    names = check_name(name)
    check_count("steps", steps)
    for what, value in (("inference", inference), ("journal", journal)):
        check_choice(what, value, (True, False))
    check_choice("port", port, PORTS)
    _check_pair(model, trainer, inference)
    if inference and journal:
        raise ValueError("journal: expected False with inference=True, as only training has a log, got True")
    model.check_finite()
    if samples is not None:
        sample_source.check(model.graph, samples, trainer)
    place = Path(folder)
    others, gone = manifest.join(place, name, target, port)
    own, entry = _render_model(model, trainer, samples, steps, names, journal)
    stale = [file for left in (name, *gone) for file in Names(left).files.values()]
    files = own | _render_shared(others.having(name, entry))
    kept = write_folder(place, files, _YOURS, (*_STALE, *stale))
    if kept:
        told, way = ", ".join(kept), "delete what you want to have written anew"
        warnings.warn(f"folder: kept {told} in {folder}, as export did not write them so: {way}", stacklevel=2)
    return place


def _check_pair(model, trainer, inference: bool) -> None:
    if inference and trainer is not None:
        raise ValueError(f"trainer: expected None with inference=True, got {trainer!r}")
    if not isinstance(model, Model) or not (inference or isinstance(trainer, Trainer)):
        wanted = "a Model and a Trainer, such as run.model and run.trainer"
        raise TypeError(f"model, trainer: expected {wanted}, got {model!r} and {trainer!r}")
    if trainer is not None and trainer.graph.hash() != model.graph.hash():
        raise ValueError("trainer: expected the trainer of this model, got one of another graph")


def _render_model(model, trainer, samples, steps: int, names: Names, journal: bool) -> tuple[dict[str, bytes], Entry]:
    """Return the bytes of a model's own files by name, and what the folder has to know of it."""
    tables = model_tables(model.graph) if trainer is None else device_tables(trainer)
    if trainer is None:
        count = steps if samples is None else len(samples.rows)
        sizes = [(names.macro("SAMPLES"), count, "samples that main.c predicts")]
        result, known = "the hashes of all outputs", expected.predicted_hash(model, samples)
    else:
        sizes = trainer_source.trainer_sizes(tables, trainer, names)
        if journal:
            sizes += journal_size.macros(trainer, steps, names)
        sizes.append((names.macro("STEPS"), steps, "training steps of main.c"))
        result, known = "theta", expected.trained_hash(model, trainer, samples, steps)
    told = f"FNV-1a of {result} at the end, as a computer has it" if known else "a computer cannot know it beforehand"
    sizes.append((names.macro("HASH"), f"0x{known:016x}u", told))
    header = model_source.header(tables, sizes, names, trains=trainer is not None, logged=journal)
    files = {"header": header, "tables": model_source.source(model.graph, tables, model.theta, model.frozen, names)}
    if trainer is not None:
        files["trainer"] = trainer_source.source(trainer, coefficient_limit(trainer, model.theta), names, journal)
    if samples is not None:
        files["samples"] = sample_source.source(samples, names, trainer)
    entry = _entry(tables, trainer, samples, journal)
    return {names.files[part]: marked(text) for part, text in files.items()}, entry


def _entry(tables, trainer, samples, journal: bool) -> Entry:
    """Return what the folder has to know of a model: sources and options of the runtime, and what main.c does."""
    symbols, wanted = {row.kernel for row in tables.nodes}, set()
    if any(tensor.row != tensor.size for tensor in tables.tensors):
        wanted.add("BPFREE_GAPS")
    if trainer is None:
        labels = samples is not None and samples.labels is not None
        return Entry(does="inference", labels=labels, sources=_files(symbols), options=tuple(sorted(wanted)))
    rows = trainer.rows
    symbols |= {row.c for row in rows["links"]} | {rows["estimator"].c, rows["loss"].c}
    symbols |= {row.c for row in rows["schedules"].values() if row}
    wanted |= set(rows["estimator"].device.wants(trainer.estimator))
    if trainer.weighted:
        wanted.add("BPFREE_WEIGHTS")
    return Entry(
        buffers=("state",) * (trainer.n_state > 0) + ("work",) * (trainer.n_work > 0),
        journal=rows["estimator"].journal if journal else "",
        sources=_files(symbols) + tuple(listed_sources()["journal"]) * journal,
        options=tuple(sorted(wanted)),
    )


def _files(symbols) -> tuple[str, ...]:
    """Return the sources of rows by their symbols."""
    return tuple(f"{symbol.removeprefix('bpfree_')}.c" for symbol in sorted(symbols))


def _render_shared(folder: Manifest) -> dict[str, bytes]:
    """Return the bytes of the files that all models of a folder share, by name."""
    logs = any(entry.journal for entry in folder.models.values())
    program, target = runtime_folder() / "ports" / "program", find_target(folder.target)
    files = {"main.c": main_source.main(folder.models)}
    files |= {name: (program / name).read_text("utf-8") for name in _PROGRAM[logs]}
    files |= {f"runtime/{name}": text for name, text in _runtime(folder).items()}
    files |= {f"port/{name}": text for name, text in _port(target, folder.port).items()}
    rendered = {name: marked(text) for name, text in files.items()}
    makefile = makefile_source.render(target, folder.port)
    return rendered | {manifest.FILE: folder.text(), "Makefile": marked(makefile, "# {}")}


def _port(target, report: str) -> dict[str, str]:
    """Return the files of port/; of a port that somebody else writes only what it has to do."""
    paths = port_files(target) if report == "none" else port_files(target, report)
    texts = {name: path.read_text("utf-8") for name, path in paths.items() if report != "none" or name == "port.h"}
    if "link.ld" in texts:
        texts["link.ld"] = makefile_source.memory_symbols(target) + texts["link.ld"]
    return texts


def _runtime(folder: Manifest) -> dict[str, str]:
    """Return the runtime's headers, the sources every program needs, and those that models and trainers name."""
    sources = {*listed_sources()["core"], *(name for entry in folder.models.values() for name in entry.sources)}
    sources |= {path.name for path in (runtime_folder() / "src").glob("*.h") if path.name != "registry_isa.h"}
    headers = [path for path in (runtime_folder() / "include" / "bpfree").iterdir() if path.name != "host.h"]
    files = {f"bpfree/{path.name}": path.read_text("utf-8") for path in headers}
    wanted = {option for entry in folder.models.values() for option in entry.options}
    for name in {*OPTIONS, "BPFREE_GAPS", "BPFREE_WEIGHTS"} - wanted:
        files["bpfree/config.h"] = files["bpfree/config.h"].replace(_OPTION.format(name, 1), _OPTION.format(name, 0))
    return files | {name: (runtime_folder() / "src" / name).read_text("utf-8") for name in sorted(sources)}
