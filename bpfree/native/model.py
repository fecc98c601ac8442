# SPDX-License-Identifier: MIT
"""`bpfree_model` in memory, and the batch calls on it."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_choice
from bpfree.native.arrays import aligned, check_status, pointer
from bpfree.native.functions import isa_names
from bpfree.native.loading import core

TILE = 64
"""Samples computed at a time: four AVX-512 registers, and activations stay in cache."""


_WIDEST = 16
"""Lanes of the widest instruction set."""

_NOT_KEPT = 2**32 - 1
_MOST_FLOATS = 2**31


def tile_bytes(n: int) -> int:
    """Return the bytes that one float a sample takes for a tile of a batch of n, on the widest instruction set."""
    return 4 * min(TILE, -(-n // _WIDEST) * _WIDEST)


def found(pointer, what: str, number: int):
    """What a table of C has at a number; raises ValueError where it has nothing, as calling that would be a crash."""
    if pointer == core().ffi.NULL:
        raise ValueError(f"{what}: expected the number of a row that C has, got {number}")
    return pointer


class NativeModel:
    """The tables of one model, for one instruction set (default: the widest this processor has).

    `frozen` holds the constants; fill it before the first call. Keeps every
    array that C points to alive. It has one workspace: one thread
    at a time may call it; build one per thread.
    """

    def __init__(self, tables, isa: str | None = None):
        ffi, lib = core().ffi, core().lib
        names = isa_names()
        self.isa = check_choice("isa", isa if isa is not None else names[-1], names)
        self.tables, self.isa_number = tables, isa_names(supported=False).index(self.isa)
        self.lanes = lib.bpfree_isa_lanes(self.isa_number)
        constants = aligned(max(1, tables.n_frozen))
        self.frozen = constants[: tables.n_frozen]
        nodes = ffi.new("bpfree_node[]", len(tables.nodes))
        attributes = [ffi.new("uint32_t[]", list(row.attributes) or [0]) for row in tables.nodes]
        inputs = [ffi.new("uint32_t[]", list(row.inputs) or [0]) for row in tables.nodes]
        for node, row, words, numbers in zip(nodes, tables.nodes, attributes, inputs, strict=True):
            node.kernel = found(lib.bpfree_registry_op(self.isa_number, row.op), "op", row.op)
            node.attributes = words
            node.inputs, node.n_inputs = numbers, len(row.inputs)
            node.output, node.scratch, node.piece = row.output, row.scratch, row.piece
            node.first_slice, node.n_slices = row.first_slice, row.n_slices
        tensors = ffi.new("bpfree_tensor[]", tables.tensors)
        slices = ffi.new("bpfree_slice[]", tables.slices or 1)
        self.c = ffi.new("bpfree_model *")
        self.c.nodes, self.c.tensors, self.c.slices = nodes, tensors, slices
        self.c.frozen = ffi.from_buffer("float *", constants)
        self.c.n_nodes, self.c.n_tensors, self.c.n_slices = map(
            len, (tables.nodes, tables.tensors, tables.slices)
        )
        self.c.n_theta, self.c.n_frozen, self.c.output = tables.n_theta, tables.n_frozen, tables.output
        self.c.arena_sample, self.c.arena_fixed = tables.arena.per_sample, tables.arena.fixed
        self.c.hash = [tables.hash & 0xFFFFFFFF, tables.hash >> 32]
        self._places = ffi.new("uint32_t[]", [_NOT_KEPT] * len(tables.tensors))
        self._reuse = ffi.new("bpfree_reuse *", {"places": self._places, "floats": 0, "tiles": 1})
        self._kept, self._cache_bytes = [], 0
        self._alive = (constants, attributes, inputs, nodes, tensors, slices)
        self._workspace = aligned(0)

    def loss(self, number: int):
        """Return the C function of a loss for this instruction set."""
        return found(core().lib.bpfree_registry_loss(self.isa_number, number), "loss", number)

    def update(self, number: int):
        """Return the C row of a link of an update for this instruction set."""
        return found(core().lib.bpfree_registry_update(self.isa_number, number), "update", number)

    def estimator(self, number: int | None):
        """Return the C row of an estimator; None: that of a gradient which is given."""
        lib, what = core().lib, "estimator"
        return lib.bpfree_given() if number is None else found(lib.bpfree_registry_estimator(number), what, number)

    @property
    def workspace_bytes(self) -> int:
        """Bytes of memory for activations, kept ones too, a perturbed copy of theta and a batch in columns."""
        return self._workspace.nbytes

    def keep(self, tensors: list[int], cache_bytes: int) -> None:
        """Let `evaluate` keep these tensors from now on, of as many tiles at a time as fit, but at least of one."""
        self._cache_bytes = cache_bytes
        if tensors == self._kept:
            return
        self._kept, self._reuse.floats = list(tensors), 0
        for tensor in range(len(self.tables.tensors)):
            self._places[tensor] = _NOT_KEPT
        for tensor in tensors:
            self._places[tensor] = self._reuse.floats
            self._reuse.floats += self.tables.words_of(tensor)

    def predict(self, theta, x) -> np.ndarray:
        """Return the outputs (n, outputs) of x (n, features)."""
        check_status(core().lib.bpfree_check_arithmetic(), "predict")
        y = np.empty((len(x), self.tables.outputs), np.float32)
        batch, tile, workspace = self._prepare(x, None, None, core().ffi.NULL)
        out = pointer("y", y, np.float32, y.shape, writable=True)
        status = core().lib.bpfree_predict_batch(
            self.c, self.theta(theta), batch, tile, workspace, self._workspace.nbytes, out
        )
        check_status(status, "predict")
        return y

    def evaluate(self, theta, x, labels, targets, loss: int, probes: np.ndarray) -> np.ndarray:
        """Return the losses (probes, n) of every sample at every packed `bpfree_probe`; theta is only read."""
        values = np.empty((len(probes), len(x)), np.float32)
        self._reuse.tiles = self._tiles_at_once(len(x), probes)
        batch, tile, workspace = self._prepare(x, labels, targets, self._reuse)
        packed = core().ffi.from_buffer("struct bpfree_probe *", probes)
        out = pointer("values", values, np.float32, values.shape, writable=True)
        arguments = (packed, len(probes), tile, workspace, self._workspace.nbytes, out)
        status = core().lib.bpfree_evaluate(
            self.c, self._reuse, self.theta(theta), batch, self.loss(loss), *arguments
        )
        check_status(status, "evaluate")
        return values

    def perturb(self, theta, probe: np.ndarray) -> np.ndarray:
        """Return a copy fl(theta + fl(mu u)) for one packed `bpfree_probe`."""
        out = np.empty_like(theta)
        destination = pointer("out", out, np.float32, theta.shape, writable=True)
        packed = core().ffi.from_buffer("struct bpfree_probe *", probe)
        check_status(core().lib.bpfree_perturb(self.c, self.theta(theta), packed, destination), "perturb")
        return out

    def theta(self, theta):
        """A pointer to theta, checked."""
        return pointer("theta", theta, np.float32, (self.tables.n_theta,))

    def tile(self, n: int) -> int:
        """Samples of a batch of n that are computed at a time."""
        return 1 if self.lanes == 1 else min(TILE, -(-n // self.lanes) * self.lanes)

    def _tiles_at_once(self, n: int, probes) -> int:
        """Directions are put on theta once for all tiles there is memory for; a coordinate costs nothing to move to."""
        tile, floats = self.tile(n), self._reuse.floats
        if floats == 0:
            return -(-n // tile)
        moves = probes["direction"][probes["mu"] != 0]
        if (moves == core().lib.BPFREE_COORDINATE).all():
            return 1
        return max(1, min(-(-n // tile), min(self._cache_bytes // 4, _MOST_FLOATS) // (floats * tile)))

    def _prepare(self, x, labels, targets, reuse):
        """`bpfree_batch`, tile and workspace for n samples."""
        n = len(x)
        tile = self.tile(n)
        needed = core().lib.bpfree_workspace_size(self.c, reuse, n, tile)
        return self.batch(x, labels, targets), tile, self.workspace(needed)[0]

    def workspace(self, needed: int):
        """The workspace, of at least so many bytes: a pointer, and its bytes."""
        if self._workspace.nbytes < needed:
            self._workspace = aligned(needed // 4)
        return core().ffi.from_buffer("float *", self._workspace), self._workspace.nbytes

    def batch(self, x, labels, targets):
        """`bpfree_batch`, checked."""
        n, batch = len(x), core().ffi.new("bpfree_batch *")
        batch.x, batch.n = pointer("x", x, np.float32, (n, self.tables.features)), n
        if labels is not None:
            batch.labels = pointer("labels", labels, np.uint32, (n,))
        if targets is not None:
            batch.targets = pointer("targets", targets, np.float32, (n, self.tables.outputs))
        return batch
