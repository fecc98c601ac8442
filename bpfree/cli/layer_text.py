# SPDX-License-Identifier: MIT
"""The layer language, which turns a text such as `tt(1024,rank=6) relu linear(outputs)` into layers of bpfree.

    network  = layer { layer }                  separated by blanks
    layer    = NAME [ "(" [ argument { "," argument } ] ")" ]
    argument = [ NAME "=" ] value
    value    = number | true | false | outputs | "[" number { "," number } "]" | network

NAME is a layer of bpfree in lower case, or `tt` for ttlinear; the
arguments are those of the class. `outputs` is the number of classes or targets
in the data. Layers are arguments of residual: `residual(linear(64) relu)`.
Only numbers are evaluated, so a text cannot run code.
"""

from __future__ import annotations

import inspect
import re

_TOKEN = re.compile(r"\s*([A-Za-z_]\w*|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[()\[\],=]|\S)")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_DEEPEST = 50
_ALIASES = {"tt": "ttlinear"}


class LayerTextError(ValueError):
    """A mistake in the text of a network: the message, then the text with a mark below the wrong word."""

    def __init__(self, message: str, text: str, start: int, stop: int):
        text = text.replace("\n", " ").replace("\t", " ")
        super().__init__(f"{message}\n  {text}\n  {' ' * start}{'^' * max(1, stop - start)}")


def layer_classes() -> dict:
    """Return the layer classes by their name in the language."""
    import bpfree as bf

    homes = ("bpfree.ops.", "bpfree.graph.")
    classes = {name.lower(): getattr(bf, name) for name, home in bf._HOMES.items() if home.startswith(homes)}
    return classes | {alias: classes[name] for alias, name in _ALIASES.items()}


def parse_layers(text: str, outputs: int, own=None) -> list[tuple]:
    """Return [(layer, start, stop), ...] with the place of each layer in the text; mistakes raise LayerTextError.

    own: classes of layers of a user's own, by their name in the language.
    """
    parser = _Parser(text, outputs, own or {})
    layers = parser.network()
    parser.end()
    return layers


class _Parser:
    def __init__(self, text: str, outputs: int, own: dict):
        self.text, self.outputs, self.classes = text, outputs, own | layer_classes()
        self.tokens = [(m.group(1), m.start(1), m.end(1)) for m in _TOKEN.finditer(text)]
        self.at, self.depth = 0, 0

    def peek(self, ahead: int = 0) -> str:
        """Return the next token, or the one `ahead` places after it; "" at the end."""
        return self.tokens[self.at + ahead][0] if self.at + ahead < len(self.tokens) else ""

    def fail(self, message: str, place=None):
        """Raise LayerTextError for the next token, or for a place (start, stop)."""
        end = len(self.text.rstrip())
        start, stop = place or (self.tokens[self.at][1:] if self.peek() else (end, end))
        raise LayerTextError(message, self.text, start, stop)

    def expected(self, what: str):
        self.fail(f"expected {what}, got {self.peek()!r}" if self.peek() else f"expected {what}, got the end")

    def take(self, token: str, what: str | None = None):
        if self.peek() != token:
            self.expected(what or repr(token))
        self.at += 1

    def end(self):
        if self.peek():
            self.expected("a layer or the end")

    def network(self) -> list[tuple]:
        """Parse layers up to a token that does not begin a layer."""
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(f"expected layers nested at most {_DEEPEST} deep")
        layers = []
        while not layers or self.peek()[:1].isalpha():
            layers.append(self.layer())
        self.depth -= 1
        return layers

    def layer(self) -> tuple:
        name = self.peek()
        if name.lower() not in self.classes:
            self.expected(f"a layer ({', '.join(sorted(self.classes))})")
        start, stop = self.tokens[self.at][1:]
        self.at += 1
        positional, named = [], {}
        if self.peek() == "(":
            self.at += 1
            if self.peek() != ")":
                self.argument(positional, named)
            while self.peek() != ")":
                self.take(",", "',' or ')'")
                self.argument(positional, named)
            self.at += 1
        kind = self.classes[name.lower()]
        try:
            bound = inspect.signature(kind).bind(*positional, **named)
            return kind(*bound.args, **bound.kwargs), start, stop
        except (TypeError, ValueError) as error:
            self.fail(f"{name}: {error}; it takes {_signature(name, kind)}", (start, stop))

    def argument(self, positional: list, named: dict) -> None:
        if self.peek(1) == "=":
            name = self.peek()
            if not name.isidentifier():
                self.expected("the name of an argument")
            if name in named:
                self.fail(f"{name} is given twice")
            self.at += 2
            named[name] = self.value()[0]
        elif named:
            self.expected("a named argument, such as rank=6, after a named one")
        else:
            positional += self.value()

    def value(self) -> list:
        """Parse a value; return it in a list, or several layers, each of which is one argument."""
        token = self.peek()
        if token == "[":
            self.at += 1
            numbers = [self.number()]
            while self.peek() != "]":
                self.take(",", "',' or ']'")
                numbers.append(self.number())
            self.at += 1
            return [tuple(numbers)]
        words = {"true": True, "false": False, "outputs": self.outputs}
        if token.lower() in words:
            self.at += 1
            return [words[token.lower()]]
        if token.lower() in self.classes:
            return [layer for layer, _, _ in self.network()]
        return [self.number()]

    def number(self):
        token = self.peek()
        if not _NUMBER.fullmatch(token):
            self.expected("a number, [numbers], true, false, outputs or a layer")
        self.at += 1
        return int(token) if token.lstrip("+-").isdigit() else float(token)


def _signature(name: str, kind) -> str:
    """Return the signature of a layer class in the language: `linear(outputs, bias=true, gain=1.0)`."""
    parts = []
    for parameter in inspect.signature(kind).parameters.values():
        star = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
        default = "" if parameter.default is parameter.empty else f"={str(parameter.default).lower()}"
        parts.append(f"{parameter.name}{'...' if star else default}")
    return f"{name}({', '.join(parts)})"
