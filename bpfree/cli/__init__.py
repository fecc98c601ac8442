# SPDX-License-Identifier: MIT
"""The command line: `bpfree COMMAND`, one file a command, loaded when it is called."""

from __future__ import annotations

from importlib import import_module

import click

from bpfree import __version__

_COMMANDS = {
    "demo": "Train digits without back-propagation, then go on on an emulated Cortex-M4F.",
    "bench": "Measure, and print ratios to peers measured in the same run.",
}
"""Name (of the module and the command in it) and the line shown by --help."""


class _Commands(click.Group):
    def list_commands(self, ctx) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx, name: str):
        return getattr(import_module(f"bpfree.cli.{name}"), name) if name in _COMMANDS else None

    def format_commands(self, ctx, formatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bpfree")
def main() -> None:
    """Train neural networks with forward passes only, on the device where they run.

    Start with `bpfree demo`: in about a minute it trains a small network
    without back-propagation, moves it to an emulated microcontroller, trains
    on there, and shows that the computer and the device agree bit for bit.
    """
