# SPDX-License-Identifier: MIT
"""What the files and symbols of one model in a firmware are called: prefixes, so that several models fit in one."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT = "model"
"""The name of a model that was given none."""

_OF_C = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while "
    "asm bool catch class constexpr delete explicit export false friend mutable namespace new nullptr operator "
    "private protected public template this throw true try typename using virtual".split()
)
"""Words of C and C++."""

_HEADERS = frozenset(
    "assert complex ctype errno fenv inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic "
    "stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype".split()
)
"""Headers of C, in whose place a compiler would read a model's."""

_OURS = frozenset("bpfree log main memory port report runtime sample samples startup theta trainer".split())
"""Other files and symbols of an exported folder."""

_BUFFERS = ("theta", "x", "arena", "record", "state", "work", "y", "journal")
_SIZES = ("FEATURES", "OUTPUTS", "THETA", "ARENA", "SAMPLES", "STEPS", "HASH")
_OF_TRAINER = ("ARENA", "RECORD", "STATE", "WORK", "SETTINGS", "JOURNAL")


@dataclass(frozen=True)
class Names:
    """The names of a model called `name`; the one called "model" has those of README.md: `trainer`, `sample`, `theta`.

    >>> Names("kws").theta, Names("kws").trainer, Names("kws").macro("THETA"), Names("kws").of_trainer("ARENA")
    ('kws_theta', 'kws_trainer', 'KWS_THETA', 'KWS_TRAINER_ARENA')
    >>> Names("model").theta, Names("model").trainer, Names("model").of_trainer("ARENA"), Names("model").ram("theta")
    ('model_theta', 'trainer', 'TRAINER_ARENA', 'theta')
    """

    name: str = DEFAULT

    @property
    def prefix(self) -> str:
        """What begins all names but those of the model's own tables; nothing where the model is called "model"."""
        return "" if self.name == DEFAULT else f"{self.name}_"

    @property
    def model(self) -> str:
        """The `bpfree_model`."""
        return DEFAULT if self.name == DEFAULT else f"{self.name}_model"

    @property
    def theta(self) -> str:
        """The parameters that the program begins with, in flash."""
        return f"{self.name}_theta"

    @property
    def trainer(self) -> str:
        """The `bpfree_trainer`."""
        return f"{self.prefix}trainer"

    @property
    def settings(self) -> str:
        """The text of the trainer's settings, for journals."""
        return f"{self.prefix}settings"

    @property
    def sample(self) -> str:
        """The function that delivers samples."""
        return f"{self.prefix}sample"

    @property
    def files(self) -> dict[str, str]:
        """File names of "header", "tables", "trainer" and "samples"."""
        trainer, samples = f"{self.prefix}trainer.c", f"{self.prefix}samples.c"
        return {"header": f"{self.name}.h", "tables": f"{self.name}.c", "trainer": trainer, "samples": samples}

    def macro(self, size: str) -> str:
        """A macro of the model's header."""
        return f"{self.name.upper()}_{size}"

    def of_trainer(self, size: str) -> str:
        """A macro of the trainer's sizes, in the same header."""
        return f"{self.prefix.upper()}TRAINER_{size}"

    def ram(self, buffer: str) -> str:
        """A buffer of main.c."""
        return f"{self.prefix}ram_{buffer}" if self.prefix else buffer

    @property
    def all(self) -> frozenset[str]:
        """Every file, symbol and macro of the model that others could have."""
        symbols = (self.model, self.theta, self.trainer, self.settings, self.sample)
        symbols += (f"train_{self.name}", f"predict_{self.name}")  # functions of main.c
        macros = (*map(self.macro, _SIZES), *map(self.of_trainer, _OF_TRAINER))
        return frozenset((*symbols, *macros, *map(self.ram, _BUFFERS), *self.files.values()))


def check_name(name) -> Names:
    """Return the names of a model called `name`; raise ValueError where that is no name, or C or bpfree has it already.

    >>> check_name("int")
    Traceback (most recent call last):
    ValueError: name: expected one that is no word of C, got 'int': put something behind it, as in 'int1'
    """
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
        rule = "a letter of a-z and at most 30 of a-z, 0-9 and _, with which files and symbols begin"
        raise ValueError(f"name: expected {rule}, got {name!r}")
    for taken, whose in ((_OF_C, "no word of C"), (_HEADERS, "no header of C"), (_OURS, "not one of bpfree's own")):
        if name in taken:
            advice = f"put something behind it, as in '{name}1'"
            raise ValueError(f"name: expected one that is {whose}, got {name!r}: {advice}")
    if name.startswith("bpfree_"):
        raise ValueError(f"name: expected one that does not begin as the runtime's names do, got {name!r}")
    return Names(name)


def check_apart(name: str, others) -> None:
    """Raise ValueError where a file, symbol or macro of a model would be called as one of another model is.

    >>> check_apart("a", ["a_ram"])
    Traceback (most recent call last):
    ValueError: name: expected one that fits beside the model 'a_ram' in the folder, got 'a': both have a_ram_theta
    """
    for other in others:
        if name != other and (both := sorted(Names(name).all & Names(other).all)):
            told = f"one that fits beside the model {other!r} in the folder"
            raise ValueError(f"name: expected {told}, got {name!r}: both have {both[0]}")
