# SPDX-License-Identifier: MIT
"""Commands that are loaded when they are called, whose help gives examples and whose errors are one line."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from importlib import import_module
from keyword import iskeyword

import click

from bpfree.cli.places import check_places
from bpfree.errors import BpfreeError, FormatError

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as in shells."""

_NAMED = re.compile(r"(node '[^']*' \(\w+\)|[A-Za-z_][\w.]*(, [A-Za-z_][\w.]*)*): ")
"""The beginning of the library's messages about wrong arguments: their names, or a node's."""

_ARGUMENT = re.compile(r"\b([a-z_]+)=(True|path|)(?![\w(\"'])")
"""An argument that a message of the library advises to pass."""


class Option(click.Option):
    """An option with the heading of --help under which it is listed."""

    def __init__(self, *args, group: str = "Other", **settings):
        super().__init__(*args, **settings)
        self.group = group


def option(*names, group: str, **settings):
    """Return click.option for an option under the heading `group`."""
    return click.option(*names, cls=Option, group=group, **settings)


class Command(click.Command):
    """A command whose help shows what it does, its options by heading, examples, and what to do next.

    examples: (command line, what it does) pairs that work when pasted.
    sections: (name, text) rows by heading, shown between options and examples.
    after: the text on what to do next.
    """

    def __init__(self, *args, examples=(), sections=None, after: str = "", **settings):
        super().__init__(*args, **settings)
        self.examples, self.sections, self.after = examples, sections or {}, after

    def invoke(self, ctx):
        """Run the command; a bad file or a missing package is a Failure without a traceback, as it is no bug."""
        try:
            own_rows = import_module("bpfree.cli.own_rows").current()
            check_places(ctx, read=[("--rows", path) for path in own_rows.paths])
            return super().invoke(ctx)
        except click.ClickException as error:
            if getattr(error, "ctx", None) is None:
                error.ctx = ctx
            raise
        except BrokenPipeError:
            raise
        except (BpfreeError, OSError, MemoryError) as error:
            raise Failure(_describe(error), ctx) from error
        except Exception as error:
            if isinstance(error, ImportError) and "pip install" in str(error):
                raise Failure(str(error), ctx) from error
            _raise_if_of_own_rows(error, ctx)
            raise

    def format_options(self, ctx, formatter) -> None:
        """Write one section per heading, in the order of the options."""
        groups: dict[str, list] = {}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Argument):
                continue  # described by the usage line and the text
            record = parameter.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(parameter, "group", "Other"), []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def format_epilog(self, ctx, formatter) -> None:
        """Write the sections, the examples, unwrapped so that they can be pasted, and what to do next."""
        for heading, rows in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
        if self.examples:
            with formatter.section("Examples"):
                for line, what in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")
                    formatter.write(f"{'':{formatter.current_indent + 4}}{what}\n")
        if self.after:
            with formatter.section("Next"):
                formatter.write_text(self.after)


class Commands(click.Group):
    """A group whose commands are loaded from modules; `table` holds the help line of each by name.

    Command NAME is the object `prefix + NAME` in the module of the same name in
    `package`; a group within a group has the prefix `GROUP_`. A word of Python has a `_` behind it there.
    """

    def __init__(self, *args, table, package: str, prefix: str = "", **settings):
        super().__init__(*args, **settings)
        self.table, self.package, self.prefix = table, package, prefix

    def list_commands(self, ctx) -> list[str]:
        """Return the names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx, name: str):
        """Load the command of this name; return None for an unknown one."""
        if name not in self.table:
            return None
        name = self.prefix + name + "_" * iskeyword(name)
        return getattr(import_module(f"{self.package}.{name}"), name)

    def resolve_command(self, ctx, args):
        """Find the command as click does, with a message that lists the commands for an unknown one."""
        name = args[0]
        if name not in self.table and not name.startswith("-"):
            raise click.UsageError(f"expected one of {', '.join(self.table)}; got {name!r}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx, formatter) -> None:
        """Write the help lines of the table, without loading the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table.items()))

    def main(self, args=None, prog_name=None, complete_var=None, standalone_mode: bool = True, **extra):
        """Run; where the user can fix an error, exit with one line and an exit code instead of a traceback."""
        extra.setdefault("obj", list(sys.argv[1:] if args is None else args))  # as typed, for advice on how to continue
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            _complain(error, prog_name or "bpfree")
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt) as error:
            click.echo("interrupted", err=True)
            code = getattr(error.__cause__ or error, "exit_code", INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


class Failure(click.ClickException):
    """An error that the user can fix: one line and exit code 1."""

    def __init__(self, message: str, ctx=None):
        super().__init__(message)
        self.ctx = ctx


def _raise_if_of_own_rows(error: Exception, ctx=None) -> None:
    """Raise a Failure where an error is that of a file of `--rows`; others are bugs, and keep their traceback."""
    told = import_module("bpfree.cli.own_rows").blame(error)
    if told is not None:
        raise Failure(told, ctx) from error


def _complain(error: click.ClickException, program: str) -> None:
    """Write one line to stderr: the command, the error, and how to get help."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else program
    message = error.format_message().strip()
    if isinstance(error, click.UsageError):
        if context is not None and message == context.get_help():  # no arguments at all
            click.echo(message, err=True)
            return
        first, *rest = message.splitlines()
        message = "\n".join([f"{first.rstrip('.')} ({path} --help)", *rest])
    click.echo(printable(f"{path}: {message}"), err=True)


def printable(text: str) -> str:
    """Return text without control characters: names and texts from untrusted files must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _describe(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


@contextmanager
def usage(**aliases: str):
    """Turn the library's errors about its arguments into errors of the command line.

    The library names Python arguments. Where the command has an option (or
    argument) of that name, or of its alias, the message names the option
    instead. An error that does not begin with a name is a bug and is raised as
    it is.
    """
    try:
        yield
    except FormatError:
        raise
    except (ValueError, TypeError) as error:
        found = _NAMED.match(str(error))
        if not found:
            raise
        given = found.group()[:-2].split(", ")
        names = [option_name(aliases.get(name, name)) for name in given]
        if names == given:
            _raise_if_of_own_rows(error)
        raise click.UsageError(f"{', '.join(names)}: {_typed(str(error)[found.end():])}") from error


def _typed(text: str) -> str:
    """Return advice for Python, such as resume=True or journal=path, as it is typed on the command line."""
    return _ARGUMENT.sub(lambda m: option_name(m[1]) + {"True": "", "path": " FILE", "": " N"}[m[2]], text)


def option_name(name: str) -> str:
    """Return the option of the running command that sets the Python argument `name`, else `name`."""
    context = click.get_current_context(silent=True)
    for parameter in context.command.params if context is not None else ():
        if parameter.name == name:
            return parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
    return name
