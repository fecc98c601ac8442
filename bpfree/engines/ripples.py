# SPDX-License-Identifier: MIT
"""Ripples: what a probe of one entry of a parameter computes again, stage after stage, of a pass that is kept.

The pass at theta is kept whole, with what lies inside of layers. A probe of
entry (r, i, o, r') of a tensor-train core starts at that core and computes only
the outputs (.., o, ..); a weight or a bias has one output. Of what follows, a
stage computes the outputs whose sums have a term that changed. Sums have the
order that they have in a whole pass, so losses have the same bits.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from bpfree.engines.probes import coordinates
from bpfree.engines.stages import Step, first_step, next_step, stages_of


class Ripple(NamedTuple):
    """steps: in order. macs: multiply-accumulates of them, for one sample."""

    steps: tuple[Step, ...]
    macs: int


class Packing(NamedTuple):
    """The parameters of all contractions in one vector: matrices (inner, rows), each with its starts behind it.

    sources: of each float, its element of theta, or of what is frozen behind that. matrices, starts: where those of
    each stage begin, None where it has none. positions: of each element of theta, where it is in the vector. places: of
    each element, what slabs call its place: the row of its matrix, or which of the starts it is.
    """

    sources: np.ndarray
    matrices: list[int | None]
    starts: list[int | None]
    positions: np.ndarray
    places: np.ndarray


_MOST_STEPS = 2**20
"""A ripple has a step for every stage behind its own: thousands of layers would fill gigabytes with steps."""


class Ripples:
    """The ripples of a graph: one for each trainable slice that a contraction is made of.

    A graph of very many stages has none; its probes run whole nodes. stages, sizes: as `stages_of` has them.
    macs: of the whole pass at theta, for one sample. begins: of each slice that has a ripple, by its number, the
    stage and the parameter of the stage's node.
    """

    def __init__(self, graph):
        self.graph = graph
        self.stages, self.sizes = stages_of(graph)
        self.macs = sum(stage.macs for stage in self.stages)
        self.begins = {}
        for number, stage in enumerate(self.stages):
            for parameter in _parameters(stage):
                own = stage.node.first_slice + parameter
                if not graph.slices[own].frozen:
                    self.begins[own] = number, parameter
        if len(self.begins) * len(self.stages) > _MOST_STEPS:
            self.begins = {}

    @cached_property
    def of_slice(self) -> dict[int, Ripple]:
        """Return the ripples by the numbers of their slices: made when a probe runs along one."""
        steps = {}  # of each stage, by what is changed of its inputs: most ripples go on alike
        return {own: self._ripple(*begin, steps) for own, begin in self.begins.items()}

    @property
    def floats(self) -> int:
        """What an engine keeps for one sample: the pass at theta, and that of a probe."""
        return 2 * sum(self.sizes)

    def slices(self, table) -> np.ndarray:
        """The slice that each record (`bpfree_probe`) moves an entry of; -1: what it moves has no ripple."""
        found = self.graph.slice_numbers(table["element"])
        return np.where(coordinates(table) & np.isin(found, list(self.begins)), found, -1)

    @cached_property
    def packing(self) -> Packing:
        """How the parameters of contractions are packed, as matrices in the order of the stages."""
        return _pack(self.graph, self.stages)

    def _ripple(self, number: int, parameter: int, known: dict) -> Ripple:
        """Steps that an entry of a stage's own parameter makes; steps that are known from another ripple are taken."""
        own = self.stages[number]
        steps = [first_step(number, own.contraction, parameter)]
        changed = {own.output: steps[0].slab}
        for later, stage in enumerate(self.stages[number + 1 :], number + 1):
            key = later, *map(changed.get, stage.inputs)
            if any(key[1:]):
                if key not in known:
                    known[key] = next_step(later, stage, changed, self.graph)
                steps.append(known[key])
                changed[stage.output] = steps[-1].slab
        return Ripple(tuple(steps), sum(self.stages[step.stage].macs // step.slab.size for step in steps))


def _parameters(stage) -> list[int]:
    """Which of its node's parameters a stage's contraction is made of."""
    contraction = stage.contraction
    return [] if contraction is None else [k for k in (contraction.parameter, contraction.start) if k is not None]


def _pack(graph, stages) -> Packing:
    positions, places = np.zeros((2, graph.n_theta), np.uint32)
    sources, matrices, starts, used = [], [], [], 0

    def add(part, elements, own_places):
        nonlocal used
        begin, used = used, used + part.size
        sources.append(elements + part.offset + graph.n_theta * part.frozen)
        if not part.frozen:
            positions[part.range][elements] = np.arange(begin, used)
            places[part.range][elements] = own_places
        return begin

    for stage in stages:
        matrices.append(None)
        starts.append(None)
        contraction = stage.contraction
        if contraction is None:
            continue
        slices = graph.slices_of(stage.node)
        part = slices[contraction.parameter]
        elements = contraction.matrix(np.arange(part.size).reshape(part.shape)).ravel()
        matrices[-1] = add(part, elements, np.arange(part.size) % contraction.rows)
        if contraction.start is not None:
            part = slices[contraction.start]
            starts[-1] = add(part, np.arange(part.size), np.arange(part.size))
    return Packing(np.concatenate(sources or [np.zeros(0, int)]), matrices, starts, positions, places)
