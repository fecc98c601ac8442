# SPDX-License-Identifier: MIT
"""The command line as a whole: help with examples, errors in one line, exit codes, JSON."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from command_line import run

import bpfree as bf
from bpfree.cli import _COMMANDS, commands, main, recipes
from bpfree.cli import output as screen
from bpfree.errors import FormatError


def all_commands(group=main, path=()):
    """Yield (path, command) of every command, those in groups included."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from all_commands(command, (*path, name))


COMMANDS = dict(all_commands())
LEAVES = {path: command for path, command in COMMANDS.items() if not isinstance(command, click.Group)}


def test_every_command_is_listed_and_loads():
    assert {path[0] for path in COMMANDS} == set(_COMMANDS)
    output = run("--help").stdout
    assert all(re.search(rf"^  {name}  ", output, re.MULTILINE) for name in _COMMANDS)


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_help_teaches(path):
    result = run(*path, "--help")
    assert result.exit_code == 0
    examples = result.stdout.split("Examples:\n")[1].split("\nNext:\n")[0].splitlines()
    assert 1 <= len(examples) // 2 <= 5 and any(line.startswith(f"  bpfree {' '.join(path)}") for line in examples)
    assert "\nNext:\n" in result.stdout
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option):
            assert parameter.help and getattr(parameter, "group", None), parameter.name


@pytest.mark.parametrize("path", [path for path in LEAVES if path[0] not in ("demo", "bench")], ids=" ".join)
def test_examples_of_the_help_work(path, tmp_path, monkeypatch):
    monkeypatch.setitem(recipes.GENERAL, "epochs", 1)
    monkeypatch.chdir(tmp_path)
    for line, _ in LEAVES[path].examples:
        program, *arguments = shlex.split(line)
        if "theta.bin" in arguments:  # which comes from a board
            Path("theta.bin").write_bytes(bf.Model.load("digits.npz").theta.tobytes())
        result = run(*arguments)
        assert program == "bpfree" and result.exit_code == 0, f"{line}\n{result.output}"


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["--nothing"], ["train"], ["train", "digits", "--nothing"], ["export", "nothing"],
     ["evaluate", "absent.npz", "digits"], ["train", "digits", "--seed", "one"], ["train", "digits", "extra"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_use_is_one_line_and_exit_code_2(arguments):
    result = run(*arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert re.match(r"bpfree.*: .*\(bpfree.* --help\)$", result.stderr.strip())


def test_no_command_shows_the_help():
    result = run()
    assert "Commands:" in result.output and result.exit_code in (0, 2)  # click's versions differ
    assert "Commands:" in run("export").output


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (FormatError("x: not a model"), 1, "bpfree doctor: x: not a model"),
        (PermissionError(13, "Permission denied", "x.npz"), 1, "bpfree doctor: x.npz: Permission denied"),
        (OSError(28, "No space left on device"), 1, "bpfree doctor: No space left on device"),
        (MemoryError("Unable to allocate 9 TiB"), 1, "bpfree doctor: not enough memory: Unable to allocate 9 TiB"),
        (ImportError('plots need matplotlib: pip install "bpfree[plot]"'), 1, "pip install"),
        (click.UsageError("a: expected b, got c."), 2, "bpfree doctor: a: expected b, got c (bpfree doctor --help)"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_that_the_user_can_fix_has_no_traceback(monkeypatch, error, code, text):
    def fail():
        raise error

    monkeypatch.setattr("bpfree.cli.doctor.all_checks", fail)
    result = run("doctor")
    assert result.exit_code == code and result.stdout == ""
    assert text in result.stderr and "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("error", [ImportError("cannot import name 'x'"), ValueError("oops"), KeyError("x")])
def test_bugs_keep_their_traceback(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr("bpfree.cli.doctor.all_checks", fail)
    with pytest.raises(type(error)):
        run("doctor")


def test_complaints_of_the_library_name_the_option():
    @click.command(cls=commands.Command)
    @commands.option("--n-queries", group="x", type=int)
    @click.argument("data")
    def command(n_queries, data):
        with commands.usage(limit="n_queries", x="data"):
            raise ValueError(data)

    for message, expected in (
        ("n_queries: expected 1, got 0", "--n-queries: expected 1, got 0"),
        ("limit, x: expected 1, got 0", "--n-queries, DATA: expected 1, got 0"),
        ("unknown: expected 1, got 0", "unknown: expected 1, got 0"),
    ):
        result = CliRunner().invoke(command, [message])
        assert result.exit_code == 2 and expected in result.output
    assert isinstance(CliRunner().invoke(command, ["not in that form"]).exception, ValueError)


def test_json_goes_to_a_file_or_to_a_clean_stdout(tmp_path):
    result = run("doctor", "--json", "-")
    document = json.loads(result.stdout)
    assert document["command"] == "doctor" and "self test" in result.stderr
    result = run("doctor", "--json", tmp_path / "doctor.json")
    assert json.loads((tmp_path / "doctor.json").read_text()).keys() == document.keys()
    assert "self test" in result.stdout
    assert "the folder" in run("doctor", "--json", tmp_path / "absent" / "x.json").stderr
    assert [path.name for path in tmp_path.iterdir()] == ["doctor.json"]


def test_the_json_document_has_only_values_that_json_has():
    import numpy as np

    values = {"a": np.float32(0.5), "b": np.array([1, 2]), "c": float("nan"), "d": (np.int64(3), None), 4: True}
    assert screen._plain(values) == {"a": 0.5, "b": [1, 2], "c": None, "d": [3, None], "4": True}


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    assert screen.replace_file(path, lambda p: p.write_text("one")) is False
    link.symlink_to(path)
    assert screen.replace_file(link, lambda p: p.write_text("two")) is True
    assert link.is_symlink() and path.read_text() == "two"

    def fail(place):
        place.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        screen.replace_file(path, fail)
    assert path.read_text() == "two" and sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "link.txt"]


def test_a_device_file_is_written_to_and_not_replaced():
    import stat
    from pathlib import Path

    screen.replace_file(Path("/dev/null"), lambda place: place.write_text("gone"))
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_python_dash_m():
    done = subprocess.run([sys.executable, "-m", "bpfree", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("bpfree, version ")


def test_a_closed_pipe_is_no_traceback():
    program = f"{sys.executable} -m bpfree train --help | head -n 1"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
