# SPDX-License-Identifier: MIT
"""The class of outputs: the largest one's, and none where NaN stands among them."""

import numpy as np
import pytest

from bpfree.engines.classes import NONE, predicted, surely_predicted
from bpfree.study import floors, heads

OUTPUTS = np.array([[1.0, 3.0, 2.0], [np.inf, 0.0, 0.0], [np.nan, 9.0, 9.0], [0.0, 0.0, np.nan]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_is_no_class(dtype):
    classes = predicted(OUTPUTS.astype(dtype))
    assert classes.tolist() == [1, 0, NONE, NONE] and NONE not in range(3)


def test_ties_go_to_the_first():
    assert predicted(np.zeros((2, 4))).tolist() == [0, 0]


def test_where_a_class_is_needed_nan_is_refused():
    assert surely_predicted(OUTPUTS[:2]).tolist() == [1, 0]
    with pytest.raises(ValueError, match="^scores: expected numbers, got NaN in 2 of 4 samples, first 2"):
        surely_predicted(OUTPUTS, "scores")


def test_a_head_that_gives_nan_is_never_right():
    """NumPy calls NaN the largest: a head of NaN was right for every sample of class 0."""
    features, labels, head = np.ones((4, 2)), np.zeros(4, int), (np.full((2, 3), np.nan), np.zeros(3))
    assert floors._accuracies([(features, labels)], [head]) == [0.0]
    assert heads._errors([(features, labels)], [head]) == [4.0]
