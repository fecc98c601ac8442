# SPDX-License-Identifier: MIT
"""How much room the log of an exported program needs."""

from __future__ import annotations

from bpfree.exporters.names import Names
from bpfree.journal.format import Type, make_header, make_record

PROGRAM = 8
"""Bytes that a flash programs at once, as log.c has it."""


def macros(trainer, steps: int, names: Names) -> list[tuple]:
    """Macros (name, value, comment) of the model's header: bytes of the settings' text, and of a log of so many steps.

    A log of scalars has a record a step, of which none that is skipped is larger; one of snapshots has one at its end,
    and room for the skips of all steps.
    """
    text = trainer.settings()
    header = make_header(text, "0" * 16, program_size=PROGRAM)
    step, end = 4 * header.n_record, 0
    if header.kind is Type.SNAPSHOT:
        step, end = 4, len(make_record(header, 0, Type.SNAPSHOT, 0, bytes(4 * (header.n_theta + header.n_state))))
    size = len(header.data) + steps * len(make_record(header, 0, Type.SKIP, 0, bytes(step))) + end
    return [
        (names.of_trainer("SETTINGS"), len(text), "bytes of the settings as text"),
        (names.of_trainer("JOURNAL"), size, f"bytes of a journal of {steps} steps"),
    ]
