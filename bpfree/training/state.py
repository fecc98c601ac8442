# SPDX-License-Identifier: MIT
"""An update's state on its way from one run into the next."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_unmasked
from bpfree.settings import load


class State(list):
    """The arrays of an update's state, and the run that they are of.

    settings: those of the run's Trainer, `Trainer.settings()`. next_step: the step that would be the next.
    trained: names of the parameter tensors that it trains.
    """

    def __init__(self, arrays, settings: str, next_step: int, trained: tuple[str, ...]):
        super().__init__(arrays)
        self.settings, self.next_step, self.trained = settings, next_step, trained

    def __repr__(self) -> str:
        return f"State(before step {self.next_step}: {_described(self)})"


def take_up(trainer, theta, state, first_step: int) -> list[np.ndarray]:
    """The state that a run of this trainer begins with at a step; None: as before any step.

    state: `run.state` of another run, or its arrays as a list. Raises ValueError
    or TypeError when they are of another update, another number of parameters, or,
    where the update rebuilds gradients of earlier steps, of others than those before first_step.
    """
    fresh = trainer.initial_state(theta)
    if state is None:
        return fresh
    if not isinstance(state, list | tuple):
        raise TypeError(f"state: expected the state of a run, such as run.state, got {type(state).__name__}")
    if isinstance(state, State):
        _check_origin(trainer, state, first_step)
    arrays = [np.array(check_unmasked("state", part)) for part in state]
    if _kinds(arrays) != _kinds(fresh):
        raise ValueError(f"state: expected {_described(fresh)}, got {_described(arrays)}")
    if not all(np.isfinite(part).all() for part in arrays):
        raise ValueError("state: expected finite numbers, got some that are not")
    return arrays


def _check_origin(trainer, state: State, first_step: int) -> None:
    ours, theirs = load(trainer.settings()), load(state.settings)
    for what, of in (
        ("update", lambda settings: " and ".join(link["name"] for link in settings["update"]["links"])),
        ("number of parameters", lambda settings: settings["n_theta"]),
    ):
        if of(ours) != of(theirs):
            raise ValueError(f"state: expected that of the {what} {of(ours)}, got that of {of(theirs)}")
    trained = names_of(trainer.graph)
    if state.trained != trained:
        names, others = (", ".join(which) for which in (trained, state.trained))
        ways = "list(run.state) has no names"
        raise ValueError(f"state: expected that of the parameters {names}, got that of {others}: {ways}")
    if trainer.update.links[0].window:
        for what, expected, got in (
            ("first_step", state.next_step, first_step),
            ("seed", theirs["seed"], ours["seed"]),
            ("estimator", theirs["estimator"], ours["estimator"]),
        ):
            if expected != got:
                why = f"as {ours['update']['links'][0]['name']} rebuilds the gradients of the steps before"
                raise ValueError(f"{what}: expected {expected}, that of the state, {why}, got {got}")


def names_of(graph) -> tuple[str, ...]:
    """Names of the parameter tensors that are trained, in theta's order."""
    return tuple(part.name for part in graph.trainable)


def _kinds(arrays) -> list:
    return [(part.dtype, part.shape) for part in arrays]


def _described(arrays) -> str:
    kinds = ", ".join(f"{part.dtype} {part.shape}" for part in arrays)
    return f"{len(arrays)} arrays: {kinds}" if arrays else "no arrays"
