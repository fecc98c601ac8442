"""The rule by which a run has diverged, in numbers worked out by hand."""

import math

import numpy as np
import pytest

from bpfree.estimators.divergence import DIVERGED_STEPS, Course, above_bound, divergence, has_exploded, loss_bound
from bpfree.estimators.step import FAILURES, QUIET_STEPS


@pytest.mark.parametrize(
    ("first_losses", "bound"),
    [
        ([2.0, 2.0], 202.0),  # the loss is the scale
        ([[1.0, 4.0], [2.0, 5.0]], 403.0),  # so is the spread, 4, where it is larger than the mean, 3
        ([-5.0, -5.0], 495.0),  # losses may be negative
        ([-1.0, 1.0], 200.0),  # and of either sign: the mean is 0
        ([1e-18, 3e-18], 2.02e-16),
        ([1.0, np.nan, np.inf, 3.0], 202.0),  # replies that were lost say nothing
        ([0.0, 0.0], math.inf),  # nothing is known of the scale: nothing is said
        ([np.nan, -np.inf], math.inf),
        ([1e308, -1e308], math.inf),
    ],
)
def test_the_bound_is_a_hundred_scales_above_the_first_step(first_losses, bound):
    assert loss_bound(np.array(first_losses)) == pytest.approx(bound, rel=1e-12)


def test_float32_losses_do_not_overflow():
    assert loss_bound(np.full((4, 1000), 1e37, np.float32)) == pytest.approx(1.01e39)


def test_one_step_in_order_begins_the_count_anew():
    high, low = [11.0] * (DIVERGED_STEPS - 1), [10.0]
    assert not above_bound(high, 10.0)
    assert not above_bound(high + low + high, 10.0)
    assert not above_bound(low + high, 10.0)
    assert above_bound(low + high + [math.inf], 10.0)
    assert not above_bound([math.inf] * 99, math.inf)
    assert not above_bound(high + [math.nan], 10.0), "what is not a number is another failure"


def test_a_loss_that_is_not_a_number_hides_nothing():
    assert not above_bound([math.nan] + [11.0] * 9, 10.0) and above_bound([math.nan] + [11.0] * 10, 10.0)


def test_theta_has_exploded_by_its_own_scale():
    start = np.array([0.5, -1.0], np.float32)
    assert not has_exploded(start, 1.0) and not has_exploded(100 * start, 1.0)
    assert has_exploded(np.array([0.0, -101.0]), 1.0) and has_exploded(np.array([math.inf, 0.0]), 1.0)
    assert not has_exploded(np.full(2, 99.0), 0.0) and has_exploded(np.full(2, 101.0), 0.0)


def walked(*means):
    course = Course(1.0)
    for mean in means:
        course.stepped([mean, mean], mean)
    return course


def test_a_course_keeps_the_first_step_and_the_last_ten():
    course = walked(2.0, *range(3, 15))
    assert (course.first, course.bound, course.recent) == (2.0, 202.0, list(range(5, 15)))
    assert not walked().exploded and not walked(2.0, 202.0).exploded and walked(2.0, 203.0).exploded


FAR, NEAR = np.full(2, 101.0), np.ones(2)


@pytest.mark.parametrize(
    ("means", "quiet", "theta", "code", "words"),
    [
        ([2.0, 2.0], QUIET_STEPS - 1, FAR, None, ""),
        ([2.0, 1.0], QUIET_STEPS, FAR, "mu_too_small", "try a larger mu, unless this is a minimum"),  # not risen
        ([2.0, 3.0], QUIET_STEPS, FAR, "diverged", "after 1, and no probe changes the loss there: SAID"),
        ([2.0, 3.0], QUIET_STEPS, NEAR, "mu_too_small", "or a smaller lr, as the loss has risen, 2 -> 3"),
        ([2.0, 3.0], 20, NEAR, "mu_too_small", "try a larger mu, unless this is a minimum"),  # theta never moved
        ([2.0] + [203.0] * 9, 0, NEAR, None, ""),
        ([2.0] + [203.0] * 10, 0, NEAR, "diverged", "the loss has exploded, 2 -> 203: SAID"),
    ],
)
def test_a_run_ends_by_its_course_alone(means, quiet, theta, code, words):
    end = walked(*means).failure(20, 20, quiet, theta, "SAID")
    assert (end and end.code) == code and (end is None or end.text.endswith(words))


def test_what_is_said():
    code, text = divergence(23, [14.0, 3.0, 2.6e16], "try a smaller lr")
    assert code == "diverged" and code in FAILURES
    assert text == "step 23: the loss has exploded, 14 -> 2.6e+16: try a smaller lr"
