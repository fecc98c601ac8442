# SPDX-License-Identifier: MIT
"""Commands whose help teaches, loaded when they are called, and whose errors are one line."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from importlib import import_module

import click

from bpfree.errors import BpfreeError, FormatError

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""

_NAMED = re.compile(r"[A-Za-z_][\w.]*(, [A-Za-z_][\w.]*)*: ")
"""How the library's complaints about arguments begin."""

_ARGUMENT = re.compile(r"\b([a-z_]+)=(True|path|)(?![\w(\"'])")
"""How it advises arguments."""


class Option(click.Option):
    """An option that knows under which heading of --help it stands."""

    def __init__(self, *args, group: str = "Other", **settings):
        super().__init__(*args, **settings)
        self.group = group


def option(*names, group: str, **settings):
    """click.option under a heading."""
    return click.option(*names, cls=Option, group=group, **settings)


class Command(click.Command):
    """Help in this order: what it does, options by idea, examples, what comes next.

    examples: (command, what it does) pairs that work when pasted.
    sections: (name, text) rows by heading, between options and examples.
    """

    def __init__(self, *args, examples=(), sections=None, after: str = "", **settings):
        super().__init__(*args, **settings)
        self.examples, self.sections, self.after = examples, sections or {}, after

    def invoke(self, ctx):
        """Files that are not what they should be, and what is not installed, are no bugs."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            if getattr(error, "ctx", None) is None:
                error.ctx = ctx
            raise
        except BrokenPipeError:
            raise
        except (BpfreeError, OSError, MemoryError) as error:
            raise Failure(_describe(error), ctx) from error
        except ImportError as error:
            if "pip install" not in str(error):
                raise
            raise Failure(str(error), ctx) from error

    def format_options(self, ctx, formatter) -> None:
        """One section a heading, in the order of the options."""
        groups: dict[str, list] = {}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Argument):
                continue  # the usage line and the text tell
            record = parameter.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(parameter, "group", "Other"), []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def format_epilog(self, ctx, formatter) -> None:
        """Examples as they are pasted, then the next command to look at."""
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
    """A group whose commands are modules: `table` has a line of help by name.

    Command NAME is the object `NAME` (or, in a group within a group,
    `GROUP_NAME`) of the module of that name in `package`.
    """

    def __init__(self, *args, table, package: str, prefix: str = "", **settings):
        super().__init__(*args, **settings)
        self.table, self.package, self.prefix = table, package, prefix

    def list_commands(self, ctx) -> list[str]:
        """In the order of the table."""
        return list(self.table)

    def get_command(self, ctx, name: str):
        """Load it."""
        if name not in self.table:
            return None
        name = self.prefix + name
        return getattr(import_module(f"{self.package}.{name}"), name)

    def resolve_command(self, ctx, args):
        """As in click, but the message lists the commands."""
        name = args[0]
        if name not in self.table and not name.startswith("-"):
            raise click.UsageError(f"expected one of {', '.join(self.table)}; got {name!r}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx, formatter) -> None:
        """From the table: nothing is loaded for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table.items()))

    def main(self, args=None, prog_name=None, complete_var=None, standalone_mode: bool = True, **extra):
        """Run, and end with one line and an exit code instead of a traceback where the user can help it."""
        extra.setdefault("obj", list(sys.argv[1:] if args is None else args))  # what was typed, for advice on going on
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            _complain(error, prog_name or "bpfree")
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            code = INTERRUPTED
        sys.exit(code if isinstance(code, int) else 0)


class Failure(click.ClickException):
    """Something failed that the user can help: one line, exit code 1."""

    def __init__(self, message: str, ctx=None):
        super().__init__(message)
        self.ctx = ctx


def _complain(error: click.ClickException, program: str) -> None:
    """One line on stderr: command, what is wrong, where help is."""
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
    """Without what could steer a terminal: names and texts may come from a file of anybody's."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _describe(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


@contextmanager
def usage(**aliases: str):
    """What the library says about its arguments, as an error of the command line.

    The library names Python arguments; where the command has an option (or
    argument) of that name, or of its alias, the option is named. What does not
    begin with a name is a bug and stays one.
    """
    try:
        yield
    except FormatError:
        raise
    except (ValueError, TypeError) as error:
        found = _NAMED.match(str(error))
        if not found:
            raise
        names = [option_name(aliases.get(name, name)) for name in found.group()[:-2].split(", ")]
        raise click.UsageError(f"{', '.join(names)}: {_typed(str(error)[found.end():])}") from error


def _typed(text: str) -> str:
    """Advice for Python, such as resume=True or journal=path, as it is typed here."""
    return _ARGUMENT.sub(lambda m: option_name(m[1]) + {"True": "", "path": " FILE", "": " N"}[m[2]], text)


def option_name(name: str) -> str:
    """The option of the running command that fills the Python argument `name`."""
    context = click.get_current_context(silent=True)
    for parameter in context.command.params if context is not None else ():
        if parameter.name == name:
            return parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
    return name
