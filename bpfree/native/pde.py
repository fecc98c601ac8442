# SPDX-License-Identifier: MIT
"""`bpfree_jets`: a network and its derivatives in the C runtime."""

from __future__ import annotations

import numpy as np

from bpfree.native.arrays import aligned, check_status, pointer
from bpfree.native.loading import core
from bpfree.native.model import TILE

_WORK = 1 << 18
"""Floats that a tile of points may take, so that small networks get long tiles: one call of C for many points."""


class NativeStreams:
    """`bpfree_streams` of :class:`bpfree.pde.streams.Streams`, for points of so many features."""

    def __init__(self, streams, features: int):
        ffi = core().ffi
        directions = np.ascontiguousarray(streams.directions, np.float32)
        held = pointer("directions", directions, np.float32, (streams.n_first, features))
        tables, rows = [], []
        for terms, first, count in streams.form_rows():
            tables.append(ffi.NULL if terms is None else ffi.new("bpfree_term[]", terms))
            rows.append((tables[-1], first, count))
        forms = ffi.new("bpfree_form[]", rows or 1)
        own = ffi.NULL if streams.by_coordinates else held
        self.c = ffi.new("bpfree_streams *", (own, forms, streams.n_first, len(rows)))
        self.count = streams.count
        self._alive = (directions, held, tables, forms)
        check_status(core().lib.bpfree_streams_check(self.c, features), "streams")


class NativeJets:
    """Jets through a NativeModel: what :meth:`bpfree.engines.CompiledEngine.jets` calls."""

    def __init__(self, model, streams):
        ffi, lib = core().ffi, core().lib
        tables = model.tables
        self.model, self.streams = model, NativeStreams(streams, tables.features)
        number = model.isa_number
        self.through = ffi.new("bpfree_jet[]", [lib.bpfree_registry_jet(number, row.op) for row in tables.nodes])
        self._c = ffi.new("bpfree_jets *", (model.c, self.through, self.streams.c))
        self._work = aligned(0)

    def __call__(self, theta, points):
        """Return the value (outputs, n) and the streams (outputs, count - 1, n) at points (n, features), float32."""
        lib, ffi, jets, model = core().lib, core().ffi, self._c, self.model
        check_status(lib.bpfree_check_arithmetic(), "jets")
        (n, features), outputs = points.shape, model.tables.outputs
        found = np.empty((outputs, self.streams.count, n), np.float32)
        jets.theta = pointer("theta", theta, np.float32, (model.tables.n_theta,))
        tile = self._tile(n)
        for at in range(0, n, tile):
            part = points[at : at + tile]
            jets.n = width = -(-len(part) // model.lanes) * model.lanes
            x = np.zeros((features, width), np.float32)
            x[:, : len(part)] = part.T
            jets.x, jets.work = pointer("x", x, np.float32, x.shape), self._room(width)
            lib.bpfree_jets_run(jets)
            first = lib.bpfree_jets_output(jets, 0) - ffi.cast("float *", jets.work)
            step = lib.bpfree_jets_output(jets, 1) - lib.bpfree_jets_output(jets, 0) if self.streams.count > 1 else 0
            rows = np.lib.stride_tricks.as_strided(
                self._work[first:], (outputs, self.streams.count, len(part)), (4 * width, 4 * step, 4)
            )
            found[:, :, at : at + tile] = rows
        return found[:, 0], found[:, 1:]

    def _tile(self, n):
        if self.model.lanes == 1:
            return 1
        sample = core().lib.bpfree_jets_size(self.model.c, self.streams.c, TILE) // TILE
        return max(TILE, min(-(-n // TILE), _WORK // max(1, sample * TILE)) * TILE)

    def _room(self, n):
        needed = core().lib.bpfree_jets_size(self.model.c, self.streams.c, n)
        if needed == 0:
            raise ValueError(f"points: {n} of them with {self.streams.count} streams take more than 2^32 floats")
        if len(self._work) < needed:
            self._work = aligned(needed)
        return core().ffi.from_buffer("float *", self._work)
