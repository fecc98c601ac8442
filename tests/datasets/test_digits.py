# SPDX-License-Identifier: MIT
"""The digits: scikit-learn's values, a split that never changes, pixels that survive the scaling."""

from importlib.resources import files

import numpy as np
import pytest

from bpfree.datasets import load_digits
from bpfree.graph import fnv1a64

HASHES = ["0b521dc5ac140b73", "bdd08039f9ce7a5d", "1f36c931f034009f"]  # of pixels, then labels as uint32


def test_shapes_and_types():
    for samples, n in zip(load_digits(), (1297, 200, 300), strict=True):
        assert samples.x.shape == (n, 64) and samples.x.dtype == np.float32
        assert samples.labels.shape == (n,) and samples.labels.dtype == np.int64
        assert samples.pixels.shape == (n, 64) and samples.pixels.dtype == np.uint8
        np.testing.assert_array_equal(samples.pixels / np.float32(16), samples.x)
        assert samples.pixels.max() == 16 and samples.x.max() == 1 and samples.x.min() == 0


def test_same_values_as_scikit_learn():
    original = pytest.importorskip("sklearn.datasets").load_digits()
    with files("bpfree.datasets").joinpath("digits.npz").open("rb") as file:
        order = np.load(file)["order"]
    assert sorted(order) == list(range(1797))
    np.testing.assert_array_equal(np.concatenate([s.pixels for s in load_digits()]), original.data[order])
    np.testing.assert_array_equal(np.concatenate([s.labels for s in load_digits()]), original.target[order])


def test_the_split_does_not_change():
    hashes = [fnv1a64(s.pixels.tobytes() + s.labels.astype("<u4").tobytes()) for s in load_digits()]
    assert [f"{value:016x}" for value in hashes] == HASHES


def test_every_digit_is_in_every_split():
    for samples in load_digits():
        share = np.bincount(samples.labels, minlength=10) / len(samples.labels)
        assert share.min() > 0.06 and share.max() < 0.14


def test_one_split_alone_equals_the_same_split_of_all():
    every = load_digits()
    for name in every._fields:
        for part, whole in zip(load_digits(name), getattr(every, name), strict=True):
            np.testing.assert_array_equal(part, whole)
    with pytest.raises(ValueError, match="^split: expected one of 'train', 'validation', 'test', got 'dev'"):
        load_digits("dev")


def test_part():
    train = load_digits("train")
    part = train.part(1097, 1297)
    np.testing.assert_array_equal(part.x, train.x[1097:])
    np.testing.assert_array_equal(part.labels, train.labels[1097:])
    np.testing.assert_array_equal(part.pixels, train.pixels[1097:])


def test_the_caller_may_write():
    load_digits("test").x[:] = -1
    assert load_digits("test").x.min() == 0


def test_the_licence_comes_with_the_data():
    folder = files("bpfree.datasets")
    assert "doi.org/10.24432/C50P49" in folder.joinpath("LICENSE-digits.txt").read_text()
    assert len(folder.joinpath("digits.npz").read_bytes()) < 100_000
