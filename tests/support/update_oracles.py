"""Every update by its textbook: settings to try, and for those that look at gradients alone theta in closed form."""

from __future__ import annotations

import numpy as np

from bpfree.schedules.exponential_decay import exponential_decay
from bpfree.updates.adam import Adam
from bpfree.updates.momentum import Momentum
from bpfree.updates.normalize import Normalize
from bpfree.updates.sgd import SGD
from bpfree.updates.sign_sgd import SignSGD
from bpfree.updates.stale import Stale
from bpfree.updates.weight_decay import WeightDecay
from bpfree.updates.window_momentum import WindowMomentum

UPDATE_SETTINGS = {
    "sgd": [SGD(1e-2), SGD(0.3), SGD(exponential_decay(0.3, 0.7))],
    "momentum": [Momentum(0.02), Momentum(0.3, beta=0.5), Momentum(0.1, beta=0.0)],
    "sign_sgd": [SignSGD(0.003)],
    "adam": [Adam(0.01), Adam(0.1, beta1=0.5, beta2=0.7, epsilon=1e-3)],
    "weight_decay": [WeightDecay(0.01)],
    "normalize": [Normalize(), Normalize(floor=1.0)],
    "window_momentum": [
        WindowMomentum(0.02), WindowMomentum(0.3, beta=0.5, window=3), WindowMomentum(0.1, beta=0.0, window=1),
    ],
    "stale": [Stale(), Stale(0.7)],
}  # fmt: skip
"""Settings to try, by row of the table of updates."""


def sgd(u, gradients, theta):
    """The sum of all gradients, each with its learning rate."""
    rates = [u.lr.start * u.lr.rate**t if u.schedule else u.lr for t in range(len(gradients))]
    return theta - np.array(rates) @ gradients


def momentum(u, gradients, theta):
    """Gradient t is in every later step, beta^k times: lr g_t (1 - beta^(T - t)) / (1 - beta) in all."""
    weights = (1 - u.beta ** np.arange(len(gradients), 0, -1)) / (1 - u.beta)
    return theta - u.lr * weights @ gradients


def adam(u, gradients, theta):
    """The paper, with explicit powers: m and v are weighted means of all gradients so far."""
    for t in range(1, len(gradients) + 1):
        back = np.arange(t - 1, -1, -1)
        m = (1 - u.beta1) * u.beta1**back @ gradients[:t] / (1 - u.beta1**t)
        v = (1 - u.beta2) * u.beta2**back @ gradients[:t] ** 2 / (1 - u.beta2**t)
        theta = theta - u.lr * m / (np.sqrt(v) + u.epsilon)
    return theta


def weight_decay(u, gradients, theta):
    """With nothing behind it, theta <- theta - (g + rate theta): geometric weights of all gradients."""
    kept = 1 - u.rate
    return kept ** len(gradients) * theta - kept ** np.arange(len(gradients) - 1, -1, -1) @ gradients


ORACLES = {
    "sgd": sgd,
    "momentum": momentum,
    "sign_sgd": lambda u, gradients, theta: theta - u.lr * np.sign(gradients).sum(axis=0),
    "adam": adam,
    "weight_decay": weight_decay,
}
"""By name: theta behind all steps, from (settings, gradients (steps, n), theta (n,)), in float64."""
