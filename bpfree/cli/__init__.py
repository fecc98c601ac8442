# SPDX-License-Identifier: MIT
"""The command line: `bpfree COMMAND`, one file a command, loaded when it is called."""

from __future__ import annotations

import click

from bpfree import __version__
from bpfree.cli.commands import Commands

_COMMANDS = {
    "demo": "Train digits without back-propagation, then go on on an emulated Cortex-M4F.",
    "train": "Train a network on a data set, and save the model.",
    "evaluate": "Accuracy, loss and confusion of a saved model on a data set.",
    "solve": "Solve a partial differential equation, print its error beside trivial answers.",
    "info": "What is in a file: layers, parameters, MACs, and the RAM it takes on a device.",
    "replay": "Make a model again from the journal of its run, without data.",
    "export": "Write a model as firmware sources.",
    "bench": "Measure, and print ratios to peers measured in the same run.",
    "doctor": "What is installed, what it unlocks, and whether it works.",
}
"""Name (of the module and the command in it) and the line shown by --help."""


@click.group(
    "bpfree",
    cls=Commands,
    table=_COMMANDS,
    package="bpfree.cli",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 1 a run or a check failed; 2 the command line is wrong; 130 interrupted.",
)
@click.version_option(__version__, prog_name="bpfree")
def main() -> None:
    """Train neural networks with forward passes only, on the device where they run.

    Start with `bpfree demo`: in about a minute it trains a small network
    without back-propagation, moves it to an emulated microcontroller, trains
    on there, and shows that the computer and the device agree bit for bit.
    Then `bpfree train digits`, and what it says at its end. `bpfree doctor`
    tells what is installed.
    """
