# SPDX-License-Identifier: MIT
"""Making do with the replies that came: what was lost has no difference, and means are of what is left."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bpfree.estimators.estimate import Estimate


class Replies(NamedTuple):
    """What the replies of a step are good for, coefficient by coefficient, in the order of the estimator's points.

    kept (n,): True where both losses are there. away (n,): 1 where the loss on the plus side is infinite, -1 where that
    on the minus side is, and the other one is there; else 0. arrived (n_probes,): which losses are there.
    """

    kept: np.ndarray
    away: np.ndarray
    arrived: np.ndarray

    @property
    def lost(self) -> int:
        """Coefficients of which nothing is known."""
        return int(np.count_nonzero(~self.kept & (self.away == 0)))


def evaluate_in_time(estimator, engine, given, probes):
    """(losses, forwards, arrived) of an engine that may lose losses; some difference always arrives."""
    values, forwards, arrived = engine.evaluate_in_time(*given, probes)
    if not (estimator.two_sided or arrived[0]):  # L(theta), without which the others are nothing
        (values[:1], _), arrived[0] = engine.evaluate(*given, probes[:1]), True
    if not has_a_difference(estimator, arrived).any():
        values, forwards = engine.evaluate(*given, probes)
        arrived = np.ones(len(probes), bool)
    return values, forwards, arrived


def has_a_difference(estimator, arrived) -> np.ndarray:
    """Of every coefficient, in the record's order, True where both of its losses have arrived."""
    return arrived[0::2] & arrived[1::2] if estimator.two_sided else arrived[1:] & arrived[0]


def sort_replies(estimator, values) -> Replies:
    """What replies (n_probes, samples) are good for.

    NaN, and a loss of -inf, is a reply that was lost. An infinite loss says that this is no place to be.
    """
    with np.errstate(invalid="ignore"):
        infinite = (values.max(axis=1) == np.inf) & (values.min(axis=1) > -np.inf)
    arrived = np.isfinite(values).all(axis=1)
    if estimator.two_sided:
        plus, minus = (infinite[side::2] & arrived[1 - side :: 2] for side in (0, 1))
        away = plus.astype(np.int8) - minus
    else:
        away = (infinite[1:] & arrived[0]).astype(np.int8)
    return Replies(has_a_difference(estimator, arrived), away, arrived)


def tell_replies(estimator, graph, seed: int, step: int, values) -> Estimate:
    """The Estimate of replies some of which may be lost; where all are, its coefficients are not finite."""
    replies = sort_replies(estimator, values)
    if replies.kept.all() or not (replies.kept.any() and estimator.may_lose):
        return estimator.tell(graph, seed, step, values)
    return _tell_kept(estimator, graph, seed, step, values, None, replies)


def tell_arrived(estimator, graph, seed: int, step: int, values, forwards: int, arrived) -> Estimate:
    """The Estimate of a step some of whose losses (rows of values) have not arrived. `forwards`: of all asked for."""
    kept = has_a_difference(estimator, arrived)
    return _tell_kept(
        estimator, graph, seed, step, values, forwards, Replies(kept, np.zeros(len(kept), np.int8), arrived)
    )


@np.errstate(over="ignore", invalid="ignore")  # what overflows is not finite: a result
def _tell_kept(estimator, graph, seed: int, step: int, values, forwards, replies: Replies) -> Estimate:
    """The Estimate made of what is there; its record says all, and replays like any other.

    A coefficient whose reply was lost is 0. One with an infinite loss on one side is as large as the largest
    finite one of the step, in the slope that it stands for, and points away. Of a mean over q coefficients n of which
    are left, these are multiplied by q / n.
    """
    kept, away, arrived = replies
    filled = values.copy()
    if estimator.two_sided:
        filled[0::2][~kept] = filled[1::2][~kept] = 0
    else:
        filled[1:][~kept] = filled[0]
    quotients, averages = estimator.quotients(graph, step, filled), estimator.averages(graph)
    largest = np.abs(quotients * averages).max()
    quotients = np.where(away == 0, quotients, (away * largest / averages).astype(quotients.dtype))
    left = kept | (away != 0)
    record = estimator.record_of(graph, seed, step, quotients, left)
    spent = values.size if forwards is None else forwards
    diagnostics = {"lost": replies.lost, "infinite": int(np.count_nonzero(away))}
    return Estimate(record, values[arrived], spent + estimator.record_cost(graph), diagnostics)


def shares(means, left) -> np.ndarray:
    """q / n of each coefficient: of the mean that it is part of, by `means` (-1: of none), n of q are left."""
    means = means[: len(left)]  # a block of one less than others
    factors, within = np.ones(len(left)), means >= 0
    if within.any():
        of_mean = means[within]
        counts, there = np.bincount(of_mean), np.bincount(of_mean, weights=left[within])
        factors[within] = (counts / np.maximum(there, 1))[of_mean]
    return factors
