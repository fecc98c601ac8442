# SPDX-License-Identifier: MIT
"""The scaled twin of a problem in raw units, and how parameters go into it and come out of it."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np

from bpfree.pde.hard import HardAnsatz
from bpfree.pde.network import Network
from bpfree.pde.units import units_of
from bpfree.pde.well_posed import warn_once


class Twin:
    """A problem and a network as a solve sees them: both in the units of the problem, or as they are.

    problem, network: what residuals are made of. given: whether the network was given, and not made for the problem.
    """

    def __init__(self, problem, network, given: bool):
        self.problem, self.network, self.units, self._given = problem, network, units_of(problem), given
        if self.units is None:
            return
        self._first, self._last = _ends(network.graph)
        if self._first is None and self.units.scales_network:
            self.units = self.units.without_network()
            layers = "a first and a last layer Linear with bias, both trained, where units are raw"
            warn_once(problem, f"network: expected {layers}, got others: scale coordinates and outputs by hand")
        self.network = Network(network.graph, network.frozen, network.engine, self.units.shift, self.units.size)
        self.problem = _twin(problem, self.units)

    @property
    def spread(self):
        """The spread of each output, which the solve takes it to have; 1.0 where the network's outputs are u."""
        return 1.0 if self.units is None else self.units.spread

    def enter(self, theta):
        """Return the twin's parameters, which `leave` turns into theta.

        A network that was not made in raw units, such as a new one, is taken to be one in those of the twin.
        """
        if self.units is None:
            return theta
        inside, n, u = theta.copy(), self.network.graph.n_theta, self.units
        inside[n:] /= u.unknowns
        if u.scales_network and self._given:
            weights, bias = _read(inside, self._last)
            _write(inside, self._last, weights / u.spread[:, None], (bias - u.middle) / u.spread)
            weights, bias = _read(inside, self._first)
            _write(inside, self._first, weights * u.size, bias + weights @ u.shift)
            if not _is_nearer_to_1(inside, theta, (self._first[0], self._last[0])):
                inside[:n] = theta[:n]
        return inside

    def leave(self, inside):
        """Return parameters that take coordinates and give u in raw units."""
        if self.units is None:
            return inside
        theta, u = inside.copy(), self.units
        theta[self.network.graph.n_theta :] *= u.unknowns
        if u.scales_network:
            weights, bias = _read(theta, self._first)
            _write(theta, self._first, weights / u.size, bias - weights @ (u.shift / u.size))
            weights, bias = _read(theta, self._last)
            _write(theta, self._last, weights * u.spread[:, None], bias * u.spread + u.middle)
        return theta


def _read(theta, layer):
    """Return weights (outputs, inputs) and bias of a layer."""
    return theta[layer[0].range].reshape(layer[0].shape), theta[layer[1].range]


def _write(theta, layer, weights, bias) -> None:
    theta[layer[0].range], theta[layer[1].range] = weights.ravel(), bias


def _ends(graph):
    """Return the slices of the only layer that reads the inputs, and of the last one, where both are trained Linear."""
    readers = [node for node in graph.nodes if 0 in node.inputs]
    found = []
    for node in (*readers[:1], graph.nodes[-1]):
        parts = graph.slices_of(node)
        dense = bool(node.op.layer and node.op.layer.dense) and len(parts) == 2
        if not dense or len(readers) != 1 or any(part.frozen for part in parts):
            return None, None
        found.append(parts)
    return found


def _is_nearer_to_1(one, other, parts) -> bool:
    """Return whether the weights of one are nearer to 1 than those of the other, in powers."""
    return np.less(*(sum(abs(_log_rms(theta[part.range])) for part in parts) for theta in (one, other)))


def _log_rms(values):
    return np.log(max(np.sqrt((values**2).mean()), np.finfo(float).tiny))


def _twin(problem, units):
    """Return a copy of the problem in its units."""
    found = copy.copy(problem)
    found.__class__ = type(type(problem).__name__, (_InUnits, type(problem)), {})
    found._plain, found._units = problem, units
    return found


class _InUnits:
    """A problem whose unknowns, equations and ansatz are in its units; mixed into the problem's own class."""

    def bind(self, values):
        """Return the problem with unknowns that are multiples of their units."""
        return super().bind(np.asarray(values, float) * self._units.unknowns)

    def terms(self):
        """Return the terms, each equation divided by its size."""
        return tuple(
            replace(one, formula=_divided(one.formula, self._units.rows[one.name])) for one in self._plain.terms()
        )

    @property
    def ansatz(self):
        """The ansatz of u = middle + spread f; one of the user's own is left as it is."""
        plain = super().ansatz
        return plain if self._units.is_plain_in_u else _Spread(plain, self._units)


def _divided(formula, sizes):
    """Return the formula with each of its equations divided by its size."""

    def divided(*given):
        found = formula(*given)
        if isinstance(found, tuple):
            return tuple(np.asarray(one) / size for one, size in zip(found, sizes, strict=True))
        return np.asarray(found) / sizes[0]

    return divided


class _Spread:
    """The ansatz A + B spread f of hard conditions A + B f, or middle + spread f without any."""

    def __init__(self, hard: HardAnsatz | None, units):
        self.hard, self.units = hard, units

    def affine(self, c):
        """Return both parts of each output."""
        pairs = self.hard.affine(c) if self.hard else [(middle, 1.0) for middle in self.units.middle.tolist()]
        return [(a, spread * b) for (a, b), spread in zip(pairs, self.units.spread.tolist(), strict=True)]
