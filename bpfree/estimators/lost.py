# SPDX-License-Identifier: MIT
"""Making do with the losses that arrived: what was lost has no difference, and means are of what is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np


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
    """Of every coefficient, in the record's order: have both of its losses arrived?"""
    return arrived[0::2] & arrived[1::2] if estimator.two_sided else arrived[1:] & arrived[0]


def tell_arrived(estimator, graph, seed: int, step: int, values, forwards: int, arrived):
    """The Estimate of a step some of whose losses (rows of values) have not arrived.

    A coefficient without its losses is 0. Where an estimator takes the mean over
    q coefficients of a group, the n that are left are multiplied by q / n. So the
    record says all, and replays like any other. `losses` has what arrived,
    `forwards` what was asked for.
    """
    kept = has_a_difference(estimator, arrived)
    filled = values.copy()
    if estimator.two_sided:
        filled[0::2][~kept] = filled[1::2][~kept] = 0
    else:
        filled[1:][~kept] = values[0]
    estimate = estimator.tell(graph, seed, step, filled, forwards)
    coefficients = estimate.coefficients
    if estimator.averaged > 1:
        left = kept.reshape(coefficients.shape).sum(axis=1, keepdims=True)
        coefficients = coefficients * (estimator.averaged / np.maximum(left, 1)).astype(coefficients.dtype)
    diagnostics = {**estimate.diagnostics, "lost": int(len(kept) - kept.sum())}
    return replace(estimate, coefficients=coefficients, losses=values[arrived], diagnostics=diagnostics)
