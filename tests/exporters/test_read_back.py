# SPDX-License-Identifier: MIT
"""What a board sends back is a model again: raw bytes, or the log of a console, and nothing that is damaged."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from helpers import floats

import bpfree as bf
from bpfree.errors import FormatError
from bpfree.exporters import firmware

MODEL = bf.Sequential(6, [bf.Linear(4), bf.Tanh(), bf.Linear(3)], seed=1).freeze("linear1.bias")
N = MODEL.graph.n_theta
THETA = floats(5, N).ravel()
HASH = bf.theta_hash(THETA)
WORDS = [f"{word:08x}" for word in THETA.view("<u4")]
RECORDS = ["2 3f800000", "2 bf800000"]


def told(theta_hash):
    return [f"3 {theta_hash[8:]}", f"3 {theta_hash[:8]}"]


def lines(*parts):
    return "\r\n".join(line for part in parts for line in part).encode()


GOOD = {
    "raw": THETA.astype("<f4").tobytes(),
    "words": lines(WORDS),
    "upper case": lines(["boot 1.2", *map(str.upper, WORDS), ""]),
    "numbered": lines(RECORDS, [f"2 {word}" for word in WORDS], told(HASH)),
    "named": lines(["mark 00000001"], [f"word {word}" for word in WORDS], [f"hash {line[2:]}" for line in told(HASH)]),
    "torn before": lines(["000", "2 3f8"], [f"2 {word}" for word in WORDS], told(HASH)),
    "of two models the one that fits": lines(
        [f"2 {word}" for word in WORDS], told(HASH), ["2 3f800000"] * (N + 3), told("0123456789abcdef")
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_it_is_a_model_again(tmp_path, case):
    path = tmp_path / "theta"
    path.write_bytes(GOOD[case])
    for expected in (None, HASH, HASH.upper()):
        model = firmware.read_back(path, MODEL, expected)
        np.testing.assert_array_equal(model.theta, THETA)
        np.testing.assert_array_equal(model.frozen, MODEL.frozen)
        assert model.graph.hash() == MODEL.graph.hash()


ONE_BIT = bytes([GOOD["raw"][0] ^ 1]) + GOOD["raw"][1:]
BAD = {
    "empty": (b"", None, "expected 156 bytes, the 39 parameters of the model, or a log .* got 0 bytes"),
    "short": (GOOD["raw"][:-1], None, "parameters of the model"),
    "long": (GOOD["raw"] + b"\0\0\0\0", None, "parameters of the model"),
    "too few words": (lines(WORDS[1:]), None, rf"got {N - 1} words"),
    "a flipped bit": (ONE_BIT, HASH, f"expected theta of hash {HASH}, got"),
    "a word lost in a log": (lines([f"2 {word}" for word in WORDS[1:]], told(HASH)), None, "none before their hash"),
    "a word changed in a log": (
        lines(["2 00000000"], [f"2 {word}" for word in WORDS[1:]], told(HASH)), None, "none before their hash",
    ),
    "not a number": (np.full(N, np.nan, "<f4").tobytes(), None, f"expected finite parameters, got {N} that are not"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_damaged_is_refused(tmp_path, case):
    data, expected, message = BAD[case]
    path = tmp_path / "theta"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=f"^{path}: .*{message}"):
        firmware.read_back(path, MODEL, expected)


def test_of_two_models_of_a_size_the_hash_says_which(tmp_path):
    other = THETA[::-1].copy()
    blocks = [([f"2 {word:08x}" for word in theta.view("<u4")], told(bf.theta_hash(theta))) for theta in (THETA, other)]
    path = tmp_path / "log"
    path.write_bytes(lines(*blocks[0], *blocks[1]))
    np.testing.assert_array_equal(firmware.read_back(path, MODEL, HASH).theta, THETA)
    np.testing.assert_array_equal(firmware.read_back(path, MODEL).theta, other)


@pytest.mark.parametrize("given", ["12", "0x0123456789abcdef", "0123456789abcdeg", 7])
def test_a_hash_that_is_none_is_named(tmp_path, given):
    (tmp_path / "theta").write_bytes(GOOD["raw"])
    with pytest.raises(ValueError, match="^hash: expected 16 hexadecimal digits, got"):
        firmware.read_back(tmp_path / "theta", MODEL, given)


@pytest.mark.skipif(not (shutil.which("make") and shutil.which("gcc")), reason="make or gcc missing")
def test_what_an_exported_program_sends_comes_back(tmp_path):
    """Two models in one program, each of which is found in the log."""
    x, y = floats(1, 12, 6), np.arange(12) % 3
    other = bf.Sequential(6, [bf.Linear(3)], seed=9)
    for name, model in (("first", MODEL), ("second", other)):
        trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.RGE(2), bf.SGD(0.1), batch_size=4)
        samples = firmware.Samples(x, labels=y)
        firmware.export(model, tmp_path / "fw", trainer=trainer, samples=samples, steps=3, target="host", name=name)
    subprocess.run(["make", "-C", str(tmp_path / "fw"), "DEFINES=-DSEND_THETA=1"], check=True, capture_output=True)
    done = subprocess.run([str(tmp_path / "fw" / "firmware.elf")], capture_output=True, text=True)
    assert done.returncode == 0
    (tmp_path / "log").write_text(done.stdout)
    hashes = [line.split()[1].rstrip(",") for line in done.stderr.splitlines()]
    for model, expected in zip((MODEL, other), hashes, strict=True):
        assert firmware.read_back(tmp_path / "log", model, expected).hash == expected != model.hash
