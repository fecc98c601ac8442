# SPDX-License-Identifier: MIT
"""Calibration of a function that is to be minimised: the first look of `minimize`, and the lr of an update by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bpfree.errors import check_positive
from bpfree.estimators.asktell import as_parameters, check_starts
from bpfree.estimators.first_look import LENGTH, FirstLook, first_look
from bpfree.estimators.replies import Measure
from bpfree.study.rates import rate_place, restarted, steps_added, with_lr
from bpfree.updates import UPDATES
from bpfree.updates.table import Update

EVALUATIONS = 20_000
"""Evaluations of the run to come, where nothing is said."""

SAFETY = 16
"""An update whose steps grow with the gradient begins with so small a part of the length that lowers the loss most,
as the curvature elsewhere may be larger."""


def calibrate_function(loss_fn, theta0, estimator, update, max_evaluations, seed: int) -> FirstLook:
    """A first look at a function, with the update given, if one is, and its lr set."""
    most = EVALUATIONS if max_evaluations is None else check_positive("max_evaluations", max_evaluations)
    check_starts(estimator)
    if not (update is None or isinstance(update, Update)):
        UPDATES.of(update)  # raises, listing the updates there are
    measure, theta0 = Measure(loss_fn), as_parameters(theta0)
    place = None if update is None else rate_place(update)
    look = first_look(measure, theta0, estimator, seed, None, most)
    if place is None:
        return look
    goal = look.lr if place.steps_by_lr else (look.length or LENGTH) / SAFETY / steps_added(update)
    moved = _first_move(measure, theta0, look.estimator, with_lr(update, 1.0), seed)
    lr = goal / moved if moved else look.lr
    return replace(look, lr=lr, update=with_lr(update, restarted(place.lr, lr)), evaluations=measure.calls)


def _first_move(measure: Measure, theta0, estimator, update, seed: int) -> float:
    """How far the first step moves each parameter, root mean square; 0 where it cannot be made."""
    ask = estimator.start(theta0, update=update, seed=seed)
    ask.tell(measure.step(ask))
    return float(np.sqrt(np.mean((ask.theta.astype(np.float64) - theta0) ** 2)))
