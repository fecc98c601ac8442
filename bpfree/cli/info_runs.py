# SPDX-License-Identifier: MIT
"""Describes journals and checkpoints for `bpfree info`."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from bpfree.cli.commands import Failure
from bpfree.cli.output import Screen, facts
from bpfree.errors import FormatError
from bpfree.files import open_regular, read_bytes


def kind_of(path: Path) -> str:
    """Return "journal", "checkpoint" or "model", by the first bytes of a file or the names in an archive."""
    from bpfree.journal.format import MAGIC

    with open_regular(path) as file:
        if file.read(4) == MAGIC[:4]:
            return "journal"
        try:
            with zipfile.ZipFile(file) as archive:
                return "checkpoint" if "checkpoint.npy" in archive.namelist() else "model"
        except (OSError, ValueError, RuntimeError, zipfile.BadZipFile):
            return "model"  # its reader reports what is wrong with the file


def journal(path: Path) -> dict:
    """Return the description of a journal, with every byte verified: its settings, its steps, and any damage."""
    from bpfree.journal.format import Damaged, Type, read_header, read_records
    from bpfree.settings import load

    data = memoryview(read_bytes(path))
    try:
        header = read_header(data)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    counts, told, seals, damage = dict.fromkeys(Type, 0), {Type.EVENT: [], Type.SKIP: []}, [], None
    stop, sealed, steps, recoverable = len(header.data), 0, header.first_step, False
    try:
        for record in read_records(data, header):
            counts[record.kind] += 1
            stop = record.stop
            steps = record.step + (record.kind in (Type.SCALARS, Type.SKIP))
            if record.kind in told:
                told[record.kind].append({"step": record.step, "text": record.told()[1]})
            if record.kind is Type.SEAL:
                seals.append({"step": record.step, "sha256": record.payload.hex(), "bytes": record.at})
                sealed = stop
    except FormatError as error:
        damage, recoverable = str(error), isinstance(error, Damaged)
    return {
        "journal": header.kind.name,
        "settings": load(header.settings),
        "base_hash": header.base_hash,
        "first_step": header.first_step,
        "steps": steps,
        "records": counts[Type.SCALARS],
        "snapshots": counts[Type.SNAPSHOT],
        "events": told[Type.EVENT],
        "skips": told[Type.SKIP],
        "seals": seals,
        "unsealed_bytes": stop - sealed,
        "program_size": header.program_size,
        "bytes": len(data),
        "verified_bytes": stop,
        "torn_bytes": 0 if damage else len(data) - stop,
        "damage": damage,
        "recoverable": recoverable,
    }


def show_journal(screen: Screen, document: dict) -> None:
    """Print the description of a journal."""
    settings, torn = document["settings"], document["torn_bytes"]
    end = document["events"][-1] if document["events"] else None
    state = f"all {document['verified_bytes']:,} verified"
    if torn:
        state = f"verified up to an interrupted write: {torn} bytes at the end are ignored"
    if document["damage"]:
        state = f"DAMAGED: {document['damage']}"
    if document["recoverable"]:
        steps = document["steps"] - document["first_step"]
        state += f"; the {steps:,} steps before it are intact, and read with --up-to-damage"
    screen.say(f"{document['file']}: a journal of {document['journal']}, {document['bytes']:,} bytes")
    screen.show(
        facts(
            [
                ("bytes", state),
                ("steps", f"{document['first_step']:,} to {document['steps']:,}"),
                ("skipped", _skipped(document["skips"])),
                ("snapshots", f"{document['snapshots']:,}"),
                *_sealed(document),
                ("last event", end and f"step {end['step']:,}: {end['text']}"),
                ("first theta", document["base_hash"]),
                *_settings(settings),
            ]
        )
    )


def _skipped(skips: list) -> str | None:
    """Steps that moved nothing, and why the last did not."""
    if not skips:
        return None
    last = skips[-1]
    steps = f"{len(skips):,} step{'s' * (len(skips) > 1)}"
    return f"{steps}, the last {last['step']:,}{': ' if last['text'] else ''}{last['text']}"


def _sealed(document: dict) -> list:
    """Rows of what the last seal vouches for; its hash in groups, as it is longer than a line."""
    if not document["seals"]:
        return [("sealed", "no")]
    last, more = document["seals"][-1], document["unsealed_bytes"]
    groups = " ".join(last["sha256"][start : start + 16] for start in range(0, 64, 16))
    after = f", {more:,} bytes come after" if more else ""
    return [("sealed", f"{last['bytes']:,} bytes, up to step {last['step']:,}{after}"), ("  their SHA-256", groups)]


def checkpoint(path: Path) -> dict:
    """Return the description of a checkpoint: the settings of its run, and how far the run is."""
    import numpy as np

    from bpfree.errors import check_version
    from bpfree.files import read_arrays
    from bpfree.graph import theta_hash
    from bpfree.training.checkpoint import NAMES, VERSION, check_agreement

    arrays = read_arrays(path, NAMES, what="bpfree checkpoint")
    try:
        about = json.loads(str(arrays["checkpoint"]))
        check_version(about["version"], VERSION)
        check_agreement(arrays, about)
        identity, counts = about["identity"], [float(value) for value in about["counts"]]
        losses, history = (np.asarray(arrays[name], np.float64) for name in ("losses", "history"))
        bound = float(about.get("bound", "inf"))
        made = losses[~np.isnan(losses)]  # but skipped steps
        best, position = about["best"] and [float(value) for value in about["best"]], about["position"]
        return {
            "version": about["version"],
            "settings": identity,
            "steps": len(losses),
            "loss": float(made[-1]) if made.size else None,
            "validations": [{"step": int(row[0]), "value": row[1]} for row in history.reshape(-1, 5).tolist()],
            "best": best and {"step": int(best[0]), "value": best[1]},
            "evaluations": int(counts[1]),
            "forwards": int(counts[2]),
            "seconds": counts[3],
            "journal_bytes": position and int(position[0]),
            "hash": theta_hash(arrays["theta"]),
            **({"diverged": True} if about.get("broken") or (made[-1:] > bound).any() else {}),
        }
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FormatError(f"{path}: not a bpfree checkpoint: {error}") from None


def of_a_diverged_run(path: Path) -> str:
    """What is said of a checkpoint of a run that has diverged; "" of any other file."""
    try:
        about = checkpoint(path) if kind_of(path) == "checkpoint" else {}
    except FormatError:  # but its model may be whole
        return ""
    if "diverged" not in about:
        return ""
    return f"{path}: a checkpoint of a run that diverged, loss {about['loss']:.4g} after step {about['steps']:,}"


def check_not_diverged(path: Path) -> None:
    """Raise where nobody should carry the model of a file to a device."""
    if told := of_a_diverged_run(path):
        raise Failure(f"{told}: export the model of a run with a smaller lr")


def show_checkpoint(screen: Screen, document: dict) -> None:
    """Print the description of a checkpoint."""
    look = document["validations"][-1] if document["validations"] else None
    best, position = document["best"], document["journal_bytes"]
    screen.say(f"{document['file']}: a checkpoint after step {document['steps']:,}, theta {document['hash']}")
    if "diverged" in document:
        screen.say("its run diverged: theta is of no use; `bpfree train` with a smaller lr makes a better one")
    screen.show(
        facts(
            [
                ("loss", None if document["loss"] is None else f"{document['loss']:.4f}"),
                ("last validation", look and f"{look['value']:.4f} after step {look['step']:,}"),
                ("best validation", best and f"{best['value']:.4f} after step {best['step']:,}"),
                ("forwards (passes of one sample)", f"{document['forwards']:,}"),
                ("loss evaluations", f"{document['evaluations']:,}"),
                ("seconds", f"{document['seconds']:.1f}"),
                ("journal", position and f"continues at byte {position:,}"),
                *_settings(document["settings"]),
            ]
        )
    )


def _settings(settings: dict) -> list:
    """Return the settings of a run as (name, value) rows."""
    named = ("loss", "estimator", "update", "batch_size", "seed", "data", "validation", "engine")
    return [(name, _flat(settings[name])) for name in named if settings.get(name) is not None]


def _flat(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items())
    return "; ".join(map(_flat, value)) if isinstance(value, list) else str(value)
