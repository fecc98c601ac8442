"""What is public: the names of `bpfree` and of its public modules, each said once, in an `__all__`."""

from __future__ import annotations

import ast
from importlib import import_module
from types import ModuleType

ROOT = "bpfree"


def public_names() -> dict:
    """Return {full name: value} of all public names, where a module that is itself public opens up its own."""
    found, open_modules = {}, [ROOT]
    while open_modules:
        module = open_modules.pop()
        for name in import_module(module).__all__:
            value = getattr(import_module(module), name)
            found[f"{module}.{name}"] = value
            if isinstance(value, ModuleType):
                open_modules.append(f"{module}.{name}")
    return found


class Used(ast.NodeVisitor):
    """The names of bpfree that a program uses, as (full name, line).

    It follows imports, and the attributes of what was imported as long as these are modules.
    """

    def __init__(self, program: str, modules: set[str]):
        self.modules, self.known, self.found = modules, {}, []
        self.visit(ast.parse(program))

    def visit_Import(self, node):
        for alias in node.names:
            if alias.name.partition(".")[0] == ROOT:
                self.found.append((alias.name, node.lineno))
                self.known[alias.asname or ROOT] = alias.name if alias.asname else ROOT

    def visit_ImportFrom(self, node):
        if (node.module or "").partition(".")[0] == ROOT:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                self.found.append((name, node.lineno))
                if name in self.modules:
                    self.known[alias.asname or alias.name] = name

    def visit_Attribute(self, node):
        names, root = [node.attr], node.value
        while isinstance(root, ast.Attribute):
            names, root = [root.attr, *names], root.value
        if isinstance(root, ast.Name) and root.id in self.known:
            full = self.known[root.id]
            while names and full in self.modules:
                full = f"{full}.{names.pop(0)}"
            self.found.append((full, node.lineno))
        self.generic_visit(root if not isinstance(root, ast.Name) else ast.Module([], []))


def not_public(program: str, public: dict) -> list[str]:
    """Return what a program uses of bpfree that is not public, as "line N: name"."""
    modules = {ROOT, *(name for name, value in public.items() if isinstance(value, ModuleType))}
    used = Used(program, modules).found
    return [f"line {line}: {name}" for name, line in used if name not in public and name != ROOT]
