# SPDX-License-Identifier: MIT
"""`bpfree export packages FOLDER`: the C runtime as packages of build systems."""

from __future__ import annotations

from pathlib import Path

import click

from bpfree.cli.commands import Command
from bpfree.cli.output import Screen, facts, json_option
from bpfree.exporters import packages


@click.command(
    "packages",
    cls=Command,
    examples=(("bpfree export packages packages", "write the three archives"),),
    after="Models come into such a project from `bpfree export firmware MODEL FOLDER`: its model.c, model.h, trainer.c "
    "and samples.c, while runtime/ and port/ stay behind.",
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@json_option
def export_packages(folder: Path, json_file) -> None:
    """Write the C runtime to FOLDER as an Arduino library, a CMSIS pack, and an archive for the other build systems.

    The last one is for CMake, PlatformIO, Zephyr and ESP-IDF, which read it as
    it is once it is unpacked. Equal sources make archives of equal bytes.
    """
    screen = Screen(json_file)
    written = packages.export(folder)
    screen.show(facts([(path.name, f"{path.stat().st_size:,} B") for path in written]))
    screen.result("export packages", {"folder": folder, "files": [path.name for path in written]})
