# SPDX-License-Identifier: MIT
"""`bpfree doctor`: show what is installed, what it is used for, and whether it works."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from bpfree.cli.commands import Command
from bpfree.cli.output import Screen, json_option
from bpfree.cli.self_checks import BROKEN, OK, all_checks

_MARKS = {OK: "ok", BROKEN: "BROKEN"}


@click.command(
    cls=Command,
    examples=(
        ("bpfree doctor", "check everything, and show the pip command for what is missing"),
        ("bpfree doctor --json -", "print the same for a bug report or a script"),
    ),
    after="`bpfree demo` needs the extras emulate and plot; `bpfree train digits` needs none.",
)
@json_option
def doctor(json_file) -> None:
    """Show what is installed, what it is used for, and whether it works.

    The command checks Python, the compiled core and its instruction sets, the
    optional packages, compilers and emulators, and data sets; then it trains a
    few steps on every engine and compares the bits. Missing parts are no error;
    the exit code is 1 when an installed part does not work.
    """
    screen = Screen(json_file)
    checks = all_checks()
    section = None
    for check in checks:
        if check.section != section:
            section = check.section
            screen.say(f"{section}")
        screen.say(f"  {_MARKS.get(check.status, check.status):8}{check.name:18}  {check.detail}".rstrip())
        if check.advice:
            screen.say(f"{'':10}{'':18}  -> {check.advice}")
    broken = [check.name for check in checks if check.status == BROKEN]
    screen.say(f"\nbroken: {', '.join(broken)}" if broken else "\nnothing is broken")
    screen.result("doctor", {"ok": not broken, "checks": [asdict(check) for check in checks]})
    if broken:
        sys.exit(1)
