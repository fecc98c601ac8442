"""Rows of one's own, in a module that other processes can import."""

from dataclasses import dataclass

import numpy as np

import bpfree as bf
from bpfree.directions import rademacher
from bpfree.engines.probes import probe_rows


def squares(outputs, targets):
    return ((outputs - targets) ** 2).mean(axis=1)


@dataclass(frozen=True)
class Plain(bf.Update):
    """SGD once more."""

    lr: float | bf.Schedule = 0.1

    def transform(self, gradient, state, theta):
        return theta.dtype.type(self.start_lr) * gradient, state


@dataclass(frozen=True)
class Heavy(bf.Update, name="heavy"):
    """A velocity, and a count of steps."""

    lr: float = 0.1
    n_vectors = 1
    n_scalars = 1

    def transform(self, gradient, state, theta):
        (v, count), real = state, theta.dtype.type
        return real(self.lr) * (real(0.5) * v + gradient), [real(0.5) * v + gradient, count]


@dataclass(frozen=True)
class Signs(bf.Differences):
    """RGE with Rademacher directions once more."""

    n_queries: int = 8
    mu: float | bf.Schedule = 2.0**-7
    two_sided: bool = True

    @property
    def averaged(self):
        return self.n_queries

    def points(self, graph, seed, step):
        return probe_rows(self.n_queries, "rademacher", seed, step, range(self.n_queries), first=0, count=graph.n_theta)


@dataclass(frozen=True)
class Steps(bf.Schedule):
    """Halved every so many steps."""

    every: int = 2

    def shape(self, step, end):
        return np.float32(max(0.5 ** (step // self.every), end))


SIGNS = bf.Direction("own_signs", rademacher.draw)


def softplus(site, arithmetic, parameters, inputs):
    return arithmetic.log1p(arithmetic.exp(inputs[0]))


def logistic(site, arithmetic, x, y):
    return arithmetic.sigmoid(x)


SOFT = bf.elementwise_op("own_soft", softplus, logistic)


def forward(site, arithmetic, parameters, inputs):
    return np.maximum(inputs[0], inputs[0].dtype.type(0)) + inputs[0].dtype.type(0)


def derivative(site, arithmetic, x, y):
    return np.sign(y)


RECTIFIER = bf.elementwise_op("own_relu", forward, derivative)


def of_words(outputs, targets):
    return outputs.sum(axis=1) * (targets == "up")
