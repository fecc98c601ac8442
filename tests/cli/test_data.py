# SPDX-License-Identifier: MIT
"""Data files that hold numbers which are not finite: the message names the array and the row of the file."""

import numpy as np
import pytest
from command_line import run

import bpfree as bf

NAMES = ("x", "y", "x_validation", "y_validation", "x_test", "y_test")


def save_with(name, value):
    """Write own.npz, in row 3 of one of whose arrays there is no number that training could use."""
    arrays = {name: np.ones((400, 2)) for name in NAMES[: 6 if "_" in name else 2]}
    arrays[name][3, 1] = value
    np.savez("own.npz", **arrays)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, 1e39])
def test_its_array_and_its_row_are_named(name, value):
    save_with(name, value)
    bf.Sequential(2, [bf.Linear(2)]).save("m.npz")
    place = f"DATA: own.npz: {name}: expected finite float32 numbers, got others in 1 rows, first 3 ("
    for words in (("train", "own.npz", "--max-steps", 2), ("evaluate", "m.npz", "own.npz"),
                  ("export", "firmware", "m.npz", "new", "--data", "own.npz")):  # fmt: skip
        result = run(*words)
        assert result.exit_code == 2 and place in result.stderr and result.stderr.count("\n") == 1
