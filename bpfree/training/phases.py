# SPDX-License-Identifier: MIT
"""Training in phases: one estimator and update after the other, such as the hybrids of the first ZO codes."""

from __future__ import annotations

from dataclasses import dataclass, field

from bpfree.errors import check_count, check_seed
from bpfree.estimators.cge import CGE
from bpfree.estimators.coordinate_descent import CoordinateDescent
from bpfree.estimators.rge import RGE
from bpfree.schedules.exponential_decay import exponential_decay
from bpfree.training.loop import train
from bpfree.training.run import Run
from bpfree.updates.momentum import Momentum
from bpfree.updates.sgd import SGD
from bpfree.updates.sign_sgd import SignSGD

_OF_THE_WHOLE = ("max_forwards", "max_evaluations")
_GO_ON = ("done", "budget", "early_stop", "stalled")


@dataclass(frozen=True)
class Phase:
    """Estimator and update of one phase, and what else of `train` is its own, such as epochs or patience.

    >>> import bpfree as bf
    >>> bf.Phase(bf.RGE(n_queries=8), bf.SGD(0.1), {"max_steps": 100}).settings
    {'max_steps': 100}
    """

    estimator: object
    update: object
    settings: dict = field(default_factory=dict)


def train_phases(model, data, phases, *, seed: int = 0, checkpoint=None, journal=None, **settings) -> list[Run]:
    """Train in phases, each from where the one before ended; returns their runs, the last one's `model` is the result.

    data: as for `train`, or None and `batches`, a function, among the settings.
    phases: a sequence of Phase. settings: those of `train`, for every phase that
    does not have its own. A phase ends as a run does: by its budget, or by its
    patience, which is a switch on a plateau. Then the next begins; after a
    failure or a callback's False none does.

    max_forwards, max_evaluations: of all phases together. seed: phase k, from 0,
    has seed + k, so that no minibatch order or direction comes twice; therefore
    validation is samples, (x, y), not a share, which another seed would draw
    anew. checkpoint, journal: phase k's end in `.k`; the last EVENT of a journal
    says why and at which step the switch was, each replays from the model its
    phase began with, and resume=True goes on in the phase that was cut off.

    >>> import bpfree as bf
    >>> import numpy as np
    >>> x, y = np.eye(4, dtype="f4"), np.arange(4) % 2
    >>> phases = bf.hybrid_switch(epochs=40, steps_per_epoch=1)
    >>> runs = bf.train_phases(bf.Sequential(4, [bf.Linear(2)]), (x, y), phases, batch_size=4)
    >>> [(type(run.trainer.estimator).__name__, run.steps) for run in runs]
    [('RGE', 10), ('CoordinateDescent', 30)]
    """
    phases = tuple(phases)
    if not phases or not all(isinstance(phase, Phase) for phase in phases):
        raise TypeError(f"phases: expected at least one Phase(estimator, update, settings), got {phases!r}")
    if isinstance(settings.get("validation"), float):
        share = settings["validation"]
        raise TypeError(f"validation: expected samples (x, y), as each phase would draw its own share, got {share}")
    check_seed(seed)
    left, runs = {name: settings.pop(name, None) for name in _OF_THE_WHOLE}, []
    for k, phase in enumerate(phases):
        files = {name: path and f"{path}.{k}" for name, path in (("checkpoint", checkpoint), ("journal", journal))}
        own = {**settings, **files, **{name: most for name, most in left.items() if most is not None}, **phase.settings}
        run = train(model, data, estimator=phase.estimator, update=phase.update, seed=(seed + k) % 2**32, **own)
        runs.append(run)
        model = run.model
        left = {
            "max_forwards": left["max_forwards"] and left["max_forwards"] - run.forwards,
            "max_evaluations": left["max_evaluations"] and left["max_evaluations"] - run.evaluations,
        }
        if run.outcome_code not in _GO_ON or any(most is not None and most <= 0 for most in left.values()):
            break
    return runs


def _rge_sign(n_queries, mu, lr, steps_per_epoch) -> dict:
    """RGE-sign: one-sided differences, of which only the signs of g are used; lr falls by 0.8 an epoch."""
    check_count("steps_per_epoch", steps_per_epoch)
    return {
        "estimator": RGE(n_queries, mu=mu, two_sided=False),
        "update": SignSGD(exponential_decay(lr, 0.8, every=steps_per_epoch)),
    }


def hybrid_switch(
    epochs: int, steps_per_epoch: int, *, n_queries: int = 10, mu: float = 0.1, lr: float = 5e-3, move: float = 1e-3
) -> tuple[Phase, Phase]:
    """RGE with signs for the first quarter of the epochs, then coordinate descent on a random half of the coordinates.

    The hybrid of the first tensor-compressed ZO training of MNIST; n_queries, mu
    and lr are of RGE and SignSGD, lr falls by 0.8 an epoch; move is the step of
    CoordinateDescent(0.5), whose every step needs about 0.75 d evaluations.

    >>> [phase.settings for phase in hybrid_switch(epochs=20, steps_per_epoch=600)]
    [{'epochs': 5}, {'epochs': 15}]
    """
    first = max(1, check_count("epochs", epochs, 2) // 4)
    return (
        Phase(**_rge_sign(n_queries, mu, lr, steps_per_epoch), settings={"epochs": first}),
        Phase(CoordinateDescent(0.5, mu=move), SGD(1.0), {"epochs": epochs - first}),
    )


def hybrid_plateau(
    epochs: int, steps_per_epoch: int, *, n_queries: int = 10, mu: float = 0.1, lr: float = 5e-3, patience: int = 5
) -> tuple[Phase, Phase]:
    """RGE with signs until the validation stops improving, then full one-sided CGE with momentum 0.9.

    Validation is looked at once an epoch, `patience` looks without a better one
    are the plateau, epochs the most that each of the two may take. n_queries is of
    RGE, mu and lr are of both; lr of RGE falls by 0.8 an epoch. Give train_phases validation=(x, y).

    >>> [phase.settings for phase in hybrid_plateau(epochs=20, steps_per_epoch=600)]
    [{'epochs': 20, 'patience': 5, 'validate_every': 600}, {'epochs': 20, 'validate_every': 600}]
    """
    each = {"epochs": check_count("epochs", epochs), "validate_every": steps_per_epoch}
    plateau = {"epochs": epochs, "patience": check_count("patience", patience), "validate_every": steps_per_epoch}
    return (
        Phase(**_rge_sign(n_queries, mu, lr, steps_per_epoch), settings=plateau),
        Phase(CGE(mu=mu, two_sided=False), Momentum(lr, beta=0.9), each),
    )
