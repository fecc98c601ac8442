# SPDX-License-Identifier: MIT
"""The option `--rows FILE.py`: losses, operations, estimators and the like of a user's own, by their names."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass, field
from importlib import import_module
from inspect import isclass, isfunction
from pathlib import Path
from traceback import walk_tb

import click

from bpfree.cli.commands import option

_KEY = "bpfree.own_rows"


@dataclass(frozen=True)
class OwnRows:
    """What the files of `--rows` define: public functions and classes of theirs, and rows, by name."""

    names: dict = field(default_factory=dict)
    paths: tuple = ()

    @property
    def as_typed(self) -> str:
        """The options that load them, to be put behind another command."""
        return "".join(f" --rows {shlex.quote(str(path))}" for path in self.paths)

    @property
    def rows(self) -> list:
        """What `Model.load` and `replay` take: rows, functions that may be losses, classes of settings."""
        from bpfree.settings import CARRIERS, ROW_TYPES

        own = self.names.values()
        return [one for one in own if isinstance(one, ROW_TYPES) or isfunction(one) or _is_kind(one, CARRIERS)]

    @property
    def losses(self) -> dict:
        """Functions (outputs, targets) -> (n,), and rows of losses."""
        from bpfree.losses.table import Loss

        return {name: one for name, one in self.names.items() if isinstance(one, Loss) or isfunction(one)}

    def kinds(self, base: type) -> dict[str, type]:
        """Classes of settings that are of this kind."""
        return {name: one for name, one in self.names.items() if _is_kind(one, base)}

    @property
    def layers(self) -> dict:
        """Layers by their lower-case name: classes of layers, and operations without attributes."""
        from bpfree.ops import Op

        found = {name.lower(): one for name, one in self.names.items() if isclass(one) and hasattr(one, "node")}
        return found | {name.lower(): _Layer(one) for name, one in self.names.items() if isinstance(one, Op)}


@dataclass(frozen=True)
class _Layer:
    """An operation as a class of layers without arguments."""

    op: object

    def __call__(self):
        return self.op


def current() -> OwnRows:
    """The rows of the running command; none without `--rows`."""
    context = click.get_current_context(silent=True)
    return context.meta.get(_KEY, OwnRows()) if context else OwnRows()


def load_model(path):
    """The model in a file, with operations of one's own."""
    from bpfree.model import Model

    return Model.load(path, current().rows)


def check_model_place(path: Path, option_name: str = "--out") -> None:
    """Raise where `path` is a file other than a bpfree model, because only a model may be replaced."""
    from bpfree.errors import FormatError, RowsMissingError

    if not path.is_file():
        return
    try:
        load_model(path)
    except RowsMissingError:
        pass  # a model all the same
    except FormatError:
        raise click.BadParameter(
            f"{path} exists and is not a bpfree model: choose another name", param_hint=option_name
        ) from None


class LossName(click.Choice):
    """The name of a loss: of the table, or of a function or a row in the files of `--rows`."""

    def __init__(self):
        from bpfree.losses import ALIASES, LOSSES

        super().__init__([*ALIASES, *LOSSES.names])

    def convert(self, value, param, ctx):
        own = current().losses
        rows = {one.name: one for one in own.values() if not isfunction(one)} | own
        return rows[value] if value in rows else click.Choice([*self.choices, *own]).convert(value, param, ctx)


class KindName(click.Choice):
    """A name of the table, or of a class of the same kind in the files of `--rows`, or what its row is called.

    kind: a function that returns the class, which is asked only where there are such files. old: names that rows
    once had.
    """

    def __init__(self, names, kind, old=()):
        super().__init__(list(names))
        self.kind, self.old = kind, dict(old)

    def convert(self, value, param, ctx):
        own = current().kinds(self.kind()) if current().names else {}
        named = {kind.row.name: name for name, kind in own.items() if hasattr(kind, "row")}
        value = named.get(value, self.old.get(value, value)) if value not in own else value
        return value if value in own else click.Choice([*self.choices, *own]).convert(value, param, ctx)


def loss_name(loss) -> str:
    """How a report names a loss."""
    from bpfree.losses import get_loss

    return loss if isinstance(loss, str) else get_loss(loss).name


def loss_option(loss, default: str) -> str:
    """` --loss NAME` as it is typed behind another command; nothing for the default."""
    if loss == default:
        return ""
    return f" --loss {loss if isinstance(loss, str) else next(n for n, one in current().losses.items() if one is loss)}"


def blame(error: Exception) -> str | None:
    """Which function in a file of `--rows` an error comes from, or lacks, and the error; None where it is none's."""
    files = {str(path.resolve()) for path in current().paths}
    frames = list(walk_tb(error.__traceback__))
    last = frames[-1][0]
    kind = type(last.f_locals.get("self"))
    if isinstance(error, NotImplementedError) and kind in current().names.values():
        return f"{kind.__name__}: expected a method `{last.f_code.co_name}`, got none"
    told = " ".join(str(error).split())
    if isinstance(error, TypeError) and (called := re.match(r"(\w+)[.\w]*\(\)", told)) and called[1] in current().names:
        return told  # called with arguments that it does not take
    places = [(frame.f_code.co_filename, line, frame.f_code.co_qualname) for frame, line in frames]
    for note in getattr(error, "__notes__", ()):  # the traceback of a worker process
        places += re.findall(r'File "(.+)", line (\d+), in (\S+)', note)
    own = [place for place in places if place[0] in files]
    if not own:
        return None
    path, line, function = own[-1]
    return f"{function} ({Path(path).name}, line {line}): {type(error).__name__}: {told}"


def rows_option(command):
    """Add `--rows` to a command; it is read before the options whose names it defines."""
    return option(
        "--rows", type=click.Path(exists=True, dir_okay=False, path_type=Path), multiple=True, metavar="FILE.py",
        group="Rows of your own", is_eager=True, expose_value=False, callback=_load,
        help="Python file that defines losses, operations, estimators or the like of your own, by whose names other "
             "options and files call them. The file is run. May be repeated.",
    )(command)  # fmt: skip


def _load(context, parameter, paths) -> None:
    names = {}
    for path in paths:
        names |= _names(path.resolve())
    context.meta[_KEY] = OwnRows(names, paths)


def _names(path: Path) -> dict:
    """What a file defines, run as the module of its name, so that worker processes can import it too."""
    from bpfree.settings import ROW_TYPES

    if path.suffix != ".py" or not path.stem.isidentifier():
        raise click.BadParameter(f"expected the path of a module, such as own.py, got {path.name}", param_hint="--rows")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    try:
        module = import_module(path.stem)
    except (Exception, SystemExit) as error:  # whatever the user's program raises
        raise click.BadParameter(f"{path.name}: {type(error).__name__}: {error}", param_hint="--rows") from error
    if Path(getattr(module, "__file__", None) or "").resolve() != path:
        expected = "a name that no other module has"
        raise click.BadParameter(f"expected {expected}, got {path.name}: rename it", param_hint="--rows")
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (isinstance(value, ROW_TYPES) or getattr(value, "__module__", None) == module.__name__)
    }


def _is_kind(value, base) -> bool:
    return isclass(value) and issubclass(value, base)
