# SPDX-License-Identifier: MIT
"""The directive `{commands}`, which documents the command line from its help texts."""

from __future__ import annotations

import click
from plain_docstrings import definitions, to_rst
from sphinx.util.docutils import SphinxDirective

from bpfree.cli import main


def commands(command=main, path=("bpfree",)):
    """Yield (words, command) of every command that is not a group, in the order of --help."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))
    else:
        yield path, command


def _section(path, command) -> list[str]:
    context = click.Context(command, info_name=" ".join(path))
    usage = " ".join([*path, *command.collect_usage_pieces(context)])
    lines = [f"### {' '.join(path)}", "", "```console", f"$ {usage}", "```", "", "```{eval-rst}"]
    lines += to_rst(command.help or "")
    rows = [parameter.get_help_record(context) for parameter in command.params]
    rows = [row for row in rows if row and row[1]]
    lines += definitions(rows) if rows else []
    choices = [choice for p in command.params if isinstance(p.type, click.Choice) for choice in p.type.choices]
    lines += to_rst(command.epilog or "", choices)
    return [*lines, "```", ""]


class _Commands(SphinxDirective):
    def run(self):
        lines = [line for path, command in commands() for line in _section(path, command)]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app):
    """Add the directive."""
    app.add_directive("commands", _Commands)
    return {"parallel_read_safe": True}
