# SPDX-License-Identifier: MIT
"""Hardware in the loop: train a network that only a noisy board can evaluate.

The board below is simulated, but it contains nothing of bpfree: it takes parameters,
and some time later it answers with a loss. The loss is noisy, some answers are lost,
and some come late. The computer runs ask and tell:

    for points in ask:                     # where to measure
        ask.tell(measure(board, ask.step, points))

Run it with `python examples/noisy_board.py`; it takes about ten seconds.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpfree as bf
from bpfree.datasets import load_digits


class Board:
    """A board with a network of 64-12-10 units and the samples, which returns losses, but no outputs or gradients.

    send(step, number, theta) requests a loss; receive() returns the answers that
    have arrived, each as (step, number, loss). All points of a step are measured on
    the same 128 samples, because otherwise the difference of two losses would mostly
    be that of two minibatches.
    """

    n_parameters = 64 * 12 + 12 + 12 * 10 + 10

    def __init__(self, noise=0.003, lost=0.05, late=0.05, seed=0):
        self.noise, self.lost, self.late = noise, lost, late
        self.chance = np.random.default_rng(seed)
        self.train, _, self.test = load_digits()
        self.arrived, self.delayed = [], []
        self.counts = {"measurements": 0, "answers lost": 0, "answers late": 0}

    def send(self, step, number, theta):
        """Measure; the answer arrives at once, with later answers, or never."""
        rows = np.random.default_rng(step).choice(len(self.train.x), 128, replace=False)
        scores = self._forward(theta, self.train.x[rows])
        scores -= scores.max(axis=1, keepdims=True)
        right = scores[np.arange(len(rows)), self.train.labels[rows]]
        loss = np.log(np.exp(scores).sum(axis=1)).mean() - right.mean() + self.noise * self.chance.normal()
        self.counts["measurements"] += 1
        fate = self.chance.random()
        if fate < self.lost:
            self.counts["answers lost"] += 1
        elif fate < self.lost + self.late:
            self.counts["answers late"] += 1
            self.delayed.append((step, number, loss))
        else:
            self.arrived.append((step, number, loss))

    def receive(self):
        """Return the answers that have arrived, in order; delayed ones come with the next answers."""
        answers, self.arrived, self.delayed = self.arrived, self.delayed, []
        return answers

    def self_test(self, theta):
        """Return the accuracy on samples that are not used for training."""
        return float((self._forward(theta, self.test.x).argmax(axis=1) == self.test.labels).mean())

    @staticmethod
    def _forward(theta, x):
        w1, b1, w2, b2 = np.split(theta, np.cumsum([64 * 12, 12, 12 * 10]))
        return np.tanh(x @ w1.reshape(64, 12) + b1) @ w2.reshape(12, 10) + b2


def measure(board, step, points):
    """Return the losses of all points of a step; lost answers are requested again, late ones are dropped."""
    losses = np.full(len(points), np.nan)
    while np.isnan(losses).any():
        for number in np.flatnonzero(np.isnan(losses)):
            board.send(step, number, points[number])
        for of_step, number, loss in board.receive():
            if of_step == step:
                losses[number] = loss
    return losses


def begin(max_steps):
    """Return a new run; with restore, the same call also continues a saved one."""
    theta0 = np.random.default_rng(1).normal(size=Board.n_parameters).astype(np.float32) * np.float32(0.1)
    # mu is so large that the noise of 0.003 is small beside the difference of the two losses.
    estimator, update = bf.RGE(n_queries=16, mu=0.05), bf.Adam(lr=0.02)
    return estimator.start(theta0, update=update, seed=3, max_steps=max_steps)


def go_on(board, ask, until, rows):
    """Run step by step, and add an accuracy to the table every fiftieth step."""
    for points in ask:
        ask.tell(measure(board, ask.step, points), step=ask.step)
        if ask.step % 50 == 0 or ask.step == until:
            rows.append((ask.step, board.self_test(ask.theta)))
        if ask.step == until:
            return


def main(max_steps=300, file=None):
    """Train, lose power half-way, and continue; print the numbers and return them."""
    board, ask = Board(), begin(max_steps)
    file = file or Path(tempfile.mkdtemp()) / "noisy_board.npz"
    rows = [(0, board.self_test(ask.theta))]
    go_on(board, ask, max_steps // 2, rows)
    ask.save(file)
    del ask  # power cut: everything but the file is lost
    ask = begin(max_steps).restore(file)
    go_on(board, ask, max_steps, rows)

    print(f"{Board.n_parameters} parameters, losses with noise {board.noise}; outcome: {ask.outcome}\n")
    print("steps   accuracy of the self-test")
    for step, accuracy in rows:
        print(f"{step:5d}   {accuracy:6.1%}  {'#' * round(40 * accuracy)}")
    print()
    for what, count in board.counts.items():
        print(f"{what:13} {count:7,}")
    print(f"{'told':13} {ask.evaluations:7,}")
    return {"accuracy": [accuracy for _, accuracy in rows], "evaluations": ask.evaluations, **board.counts}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
