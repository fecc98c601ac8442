"""Pools that do what pools do: answer in any order, twice, late, never; and data to train on."""

import random
import threading
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass

import numpy as np
from helpers import floats

import bpfree as bf
from bpfree.engines import ReferenceEngine

DATA = floats(1, 40, 6), np.arange(40) % 3
MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (2, 4), rank=2), bf.Tanh(), bf.Linear(3)], seed=4)


def train(engine, estimator=None, steps=6, **settings):
    """A short run with every kind of thing in it that a hash depends on."""
    given = {"update": bf.Adam(0.01), "batch_size": 8, "seed": 2, **settings}
    estimator = bf.RGE(n_queries=10) if estimator is None else estimator
    return bf.train(MODEL, DATA, estimator=estimator, max_steps=steps, engine=engine, progress=False, **given)


class Pool:
    """Runs everything of a step when `expected` ranges have come in, in an order drawn by the seed.

    lose(step, number) -> True: that range is cancelled or, `silent`, never ends. twice: callbacks are called twice.
    """

    def __init__(self, expected, seed=0, lose=lambda step, number: False, twice=False, silent=False):
        self.expected, self.lose, self.twice, self.silent = expected, lose, twice, silent
        self.random, self.waiting, self.step, self.submitted = random.Random(seed), [], 0, []

    def submit(self, function, *arguments):
        future = Twice() if self.twice else Future()
        self.waiting.append((future, function, arguments))
        self.submitted.append(arguments)
        if len(self.waiting) == self.expected:
            threading.Thread(target=self.run, args=(self.waiting, self.step)).start()
            self.waiting, self.step = [], self.step + 1
        return future

    def run(self, waiting, step):
        numbered = list(enumerate(waiting))
        self.random.shuffle(numbered)
        for number, (future, function, arguments) in numbered:
            if not self.lose(step, number):
                future.set_result(function(*arguments))
            elif not self.silent:
                future.cancel()


class Twice(Future):
    """Tells its callbacks twice."""

    def add_done_callback(self, function):
        super().add_done_callback(lambda done: (function(done), function(done)))


class BrokenPool:
    """Takes `healthy` ranges; what it has then is lost, and it takes no more."""

    def __init__(self, healthy):
        self.left = healthy

    def submit(self, function, *arguments):
        if self.left == 0:
            raise BrokenExecutor("a worker died")
        self.left -= 1
        future = Future()
        future.set_exception(BrokenExecutor("a worker died"))
        return future


class Peculiar(ValueError):
    """An exception whose pickle does not load: it wants two arguments and keeps one."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


@dataclass
class FailingEngine:
    """The exact engine, until it is asked for a probe of this step."""

    error: str
    at_step: int = 0

    def __post_init__(self):
        self.exact = ReferenceEngine(exact=True)

    name, dtype = "exact", np.dtype(np.float32)

    def evaluate(self, graph, theta, frozen, batch, loss, probes):
        if probes[0].step >= self.at_step:
            raise Peculiar("this", "that") if self.error == "peculiar" else ArithmeticError(self.error)
        return self.exact.evaluate(graph, theta, frozen, batch, loss, probes)

    def apply(self, *arguments):
        return self.exact.apply(*arguments)
