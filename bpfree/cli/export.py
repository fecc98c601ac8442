# SPDX-License-Identifier: MIT
"""`bpfree export FORMAT`: write a model for use outside Python."""

from __future__ import annotations

import click

from bpfree.cli.commands import Commands

_FORMATS = {
    "onnx": "Write one file for ONNX Runtime, browsers, phones and converters to small devices.",
    "firmware": "Write C99 sources that train the model on a microcontroller.",
    "packages": "Write the C runtime as packages of build systems, without a model.",
}


@click.group(cls=Commands, table=_FORMATS, package="bpfree.cli", prefix="export_")
def export() -> None:
    """Write a saved model, or the runtime it needs, in another form."""
