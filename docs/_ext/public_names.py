# SPDX-License-Identifier: MIT
"""The API pages: they document every public name by its module, so that a new name cannot be forgotten.

The directive `{public} GROUP` documents the names of a group, and `{public-summary} GROUP` lists them in one line each.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module

from plain_docstrings import escape
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

import bpfree

GROUPS = {
    "model": ("bpfree.ops", "bpfree.graph", "bpfree.model"),
    "training": (
        "bpfree.training", "bpfree.study.calibration", "bpfree.study.heads", "bpfree.study.floors",
        "bpfree.trainer", "bpfree.journal", "bpfree.losses",
    ),
    "estimators": ("bpfree.estimators", "bpfree.directions", "bpfree.study.layer_ratios", "bpfree.study.diagnostics"),
    "updates": ("bpfree.updates",),
    "schedules": ("bpfree.schedules",),
    "blackbox": (
        "bpfree.estimators.minimization", "bpfree.estimators.history", "bpfree.estimators.first_look",
        "bpfree.estimators.asktell",
    ),
    "pde": ("bpfree.pde",),
    "sklearn": ("bpfree.sklearn",),
    "engines": ("bpfree.engines",),
    "executors": ("bpfree.executors",),
    "datasets": ("bpfree.datasets",),
    "firmware": ("bpfree.exporters.firmware", "bpfree.exporters.packages"),
    "onnx": ("bpfree.exporters.onnx",),
    "emulate": ("bpfree.emulate",),
    "errors": ("bpfree.errors",),
    "ground": ("bpfree.rng", "bpfree.tt", "bpfree.native", "bpfree.bench"),
}
"""Modules of each group: its names are those of `bpfree` from there, and the `__all__` of a module that is public."""

_NOT_FOR_USERS = (
    "node, transform, settings, links, n_vectors, n_scalars, rows, native_settings, "
    "set_fit_request, set_partial_fit_request, set_score_request"
)
"""Members that only the library uses; the last three are scikit-learn's, with links into its own pages."""


def names_of(group: str) -> list[str]:
    """Return the full names of the group's public objects, in the order in which they are listed."""
    if group not in GROUPS:
        raise ExtensionError(f"public: expected one of {', '.join(GROUPS)}, got {group!r}")
    names = []
    for module in GROUPS[group]:
        homes = {name: home for name, home in bpfree._HOMES.items() if _group_of(home) == group}
        names += [f"bpfree.{name}" for name, home in homes.items() if _inside(home, module)]
        if any(_inside(module, f"bpfree.{top}") for top in bpfree._MODULES):
            names += [f"{module}.{name}" for name in getattr(import_module(module), "__all__", ())]
    return names


def left_out() -> list[str]:
    """Return the public names of `bpfree` that no group has."""
    modules = [module for group in GROUPS.values() for module in group]
    lost = [name for name, home in bpfree._HOMES.items() if not any(_inside(home, module) for module in modules)]
    return lost + [top for top in bpfree._MODULES if not any(_inside(module, f"bpfree.{top}") for module in modules)]


def _group_of(home: str) -> str | None:
    """Return the group that names this module, or its nearest enclosing package."""
    named = [(len(module), group) for group, modules in GROUPS.items() for module in modules if _inside(home, module)]
    return max(named)[1] if named else None


def _inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _value(full_name: str):
    module, _, name = full_name.rpartition(".")
    return getattr(import_module(module), name)


def _first_sentence(value) -> str:
    if not callable(value):
        return f"A {type(value).__name__}: {value if isinstance(value, int) else ', '.join(value)}"
    paragraph = " ".join(inspect.getdoc(value).partition("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z])", paragraph)[0].removesuffix(".")


def _details(full_name: str) -> list[str]:
    value = _value(full_name)
    head = [f".. currentmodule:: {full_name.rpartition('.')[0]}", ""]  # where annotations look for their names
    if not callable(value):
        return [*head, f".. py:data:: {full_name}", "", f"   {escape(_first_sentence(value))}.", ""]
    if not inspect.isclass(value):
        return [*head, f".. autofunction:: {full_name}", ""]
    kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
    return [*head, f".. {kind}:: {full_name}", "   :members:", f"   :exclude-members: {_NOT_FOR_USERS}", ""]


class _Public(SphinxDirective):
    required_arguments = 1

    def run(self):
        lines = [line for name in names_of(self.arguments[0]) for line in _details(name)]
        return self.parse_text_to_nodes("\n".join(["```{eval-rst}", *lines, "```"]))


class _PublicSummary(SphinxDirective):
    required_arguments = 1

    def run(self):
        lines = [".. list-table::", "   :class: summary", ""]
        for name in names_of(self.arguments[0]):
            lines += [f"   * - :py:obj:`{name}`", f"     - {escape(_first_sentence(_value(name)))}"]
        return self.parse_text_to_nodes("\n".join(["```{eval-rst}", *lines, "```"]))


def _check(app) -> None:
    if left_out():
        where = "add their module to GROUPS in docs/_ext/public_names.py"
        raise ExtensionError(f"not in the API reference: {', '.join(left_out())}: {where}")


def _skip(app, what, name, obj, skip, options):
    """Skip fields of named tuples, whose "Alias for field number 0" adds nothing to the signature."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def _signature(app, what, name, obj, options, signature, returned):
    """Remove private fields of a dataclass from its signature, and show a default from a factory as `...`."""
    if signature:
        signature = re.sub(r", _\w+: [~\w.]+(\[[^]]*\])?(?=[,)])", "", signature).replace("<factory>", "...")
        return signature, returned
    return None


def setup(app):
    """Add the two directives; the build fails when a public name has no group."""
    app.add_directive("public", _Public)
    app.add_directive("public-summary", _PublicSummary)
    app.connect("builder-inited", _check)
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True}
