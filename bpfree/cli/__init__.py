# SPDX-License-Identifier: MIT
"""The command line: `bpfree COMMAND`, one file per command, which is loaded when the command is called."""

from __future__ import annotations

import click

from bpfree import __version__
from bpfree.cli.commands import Commands

_COMMANDS = {
    "demo": "Train digits without back-propagation, and adapt on an emulated Cortex-M4F when their world changes.",
    "train": "Train a network on a data set, and save the model.",
    "evaluate": "Print accuracy, loss and confusion of a saved model on a data set.",
    "solve": "Solve a partial differential equation, and print its error beside trivial answers.",
    "info": "Show the contents of a file: layers, parameters, MACs, and the RAM it needs on a device.",
    "replay": "Rebuild a model from the journal of its run, without data.",
    "export": "Write a model as ONNX or as firmware sources.",
    "emulate": "Run an exported program on an emulated board, and print what it takes.",
    "footprint": "Show what takes flash and RAM in a firmware: source files, functions, variables.",
    "import": "Make a model of the parameters that a board sent back.",
    "bench": "Run a benchmark, and print ratios to peers measured in the same run.",
    "doctor": "Show what is installed, what it is used for, and whether it works.",
}
"""Help line of each command, by the name of the command, which is also that of its module."""


@click.group(
    "bpfree",
    cls=Commands,
    table=_COMMANDS,
    package="bpfree.cli",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success; 1 a run or a check failed; 2 the command line is wrong; 130 ended by Ctrl-C, "
    "143 by SIGTERM.",
)
@click.version_option(__version__, prog_name="bpfree")
def main() -> None:
    """Train neural networks with forward passes only, on the device where they run.

    Start with `bpfree demo`: in about a minute it trains a small network
    without back-propagation, moves it to an emulated microcontroller, continues
    training there, and shows that computer and device agree bit for bit. Then
    try `bpfree train digits` and the commands it suggests at its end.
    `bpfree doctor` shows what is installed.
    """
