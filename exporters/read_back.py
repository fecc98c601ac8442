# SPDX-License-Identifier: MIT
"""Parameters on their way back: what a board sent, raw or as a log of its console, becomes a model again."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from bpfree.errors import FormatError
from bpfree.graph import theta_hash
from bpfree.model import Model

_LINE = re.compile(rb"(?:(?P<channel>[0-9]|exit|mark|word|hash|text) )?(?P<word>[0-9a-fA-F]{8})", re.ASCII)
"""What a port makes of a message: its channel, by number or name, and its value; or a value alone."""

_WORDS, _HASHES = (b"2", b"word", None), (b"3", b"hash")


def read_back(path, model: Model, hash: str | None = None) -> Model:
    """The model with the parameters that a board sent back: `model` is what was exported, or has the same graph.

    path: a file of 4 n_theta bytes, theta as little-endian float32, such as a debugger dumps; or the log of a console:
    lines of `2 3f800000` or `word 3f800000`, as the ports send them with `-DSEND_THETA=1`, or of 3f800000 alone.
    Of a log with hashes (`3 ...`, `hash ...`: low word, then high) those n_theta words are taken that the last
    fitting hash follows (or `hash`, where there are several models), of one without the last n_theta words.

    hash: theta's, 16 hexadecimal digits as the program told it; the file must have it.

    Raises FormatError where the file has another length or hash, or numbers that are not finite; ValueError for a hash
    that is none; OSError where it cannot be read.

    >>> import bpfree as bf, numpy as np, tempfile
    >>> model = bf.Sequential(4, [bf.Linear(2)])
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(np.arange(10, dtype="<f4").tobytes()), file.flush()
    ...     bf.exporters.firmware.read_back(file.name, model).theta
    array([0., 1., 2., 3., 4., 5., 6., 7., 8., 9.], dtype=float32)
    """
    if hash is not None and not (isinstance(hash, str) and re.fullmatch("[0-9a-fA-F]{16}", hash)):
        raise ValueError(f"hash: expected 16 hexadecimal digits, got {hash!r}")
    data, n = Path(path).read_bytes(), model.graph.n_theta
    theta = np.frombuffer(data, "<f4") if len(data) == 4 * n else _from_log(path, data, n, hash and hash.lower())
    found = theta_hash(theta)
    if hash is not None and found != hash.lower():
        told = f"theta of hash {hash.lower()}, got {found}"
        raise FormatError(f"{path}: expected {told}: bytes were lost, or it is that of another run")
    if bad := int((~np.isfinite(theta)).sum()):
        raise FormatError(f"{path}: expected finite parameters, got {bad} that are not")
    return Model(model.graph, theta, model.frozen)


def _from_log(path, data: bytes, n: int, wanted: str | None) -> np.ndarray:
    """theta, of the hash that is wanted, from the lines of a console; what is not a word or a hash is passed over."""
    words, hashes, thetas = [], [], []
    for line in data.splitlines():
        if not (message := _LINE.fullmatch(line.strip())):
            continue
        value = int(message["word"], 16)
        if message["channel"] in _WORDS:
            words.append(value)
        elif message["channel"] in _HASHES:
            hashes.append(value)
            if len(hashes) % 2 == 0:
                thetas.append((_floats(words[-n:]), f"{hashes[-1]:08x}{hashes[-2]:08x}"))
    if not thetas and len(words) >= n:
        return _floats(words[-n:])
    for theta, told in reversed(thetas):
        if len(theta) == n and theta_hash(theta) == told and wanted in (None, told):
            return theta
    expected = f"{4 * n:,} bytes, the {n:,} parameters of the model, or a log with as many words in hexadecimal"
    had = f"{len(words):,} words, none before their hash or the expected one" if words else f"{len(data):,} bytes"
    raise FormatError(f"{path}: expected {expected}, got {had}: was it compiled with -DSEND_THETA=1?")


def _floats(words: list[int]) -> np.ndarray:
    return np.array(words, "<u4").view("<f4")
