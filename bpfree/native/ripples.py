# SPDX-License-Identifier: MIT
"""`bpfree_ripples` in memory: probes of single entries of a model's parameters."""

from __future__ import annotations

import numpy as np

from bpfree.native.arrays import check_status, pointer
from bpfree.native.loading import core

FROM_ZERO = 2**32 - 1
"""The `start` of a stage whose sums start from 0."""

RIPPLE = np.dtype([("position", "u4"), ("place", "u4"), ("first", "u4"), ("count", "u4"), ("mu", "f4")])
"""`bpfree_ripple`, one probe."""


class NativeRipples:
    """The tables of a NativeModel's ripples, which share its workspace.

    stages: rows of `bpfree_stage`. steps: rows of `bpfree_ripple_step`, first those of the whole pass. sizes: elements
    of every tensor. scratch: floats that nodes work in, for each sample and besides.
    """

    def __init__(self, model, stages, steps, sizes, scratch):
        ffi, lib = core().ffi, core().lib
        offsets = np.concatenate([[0], np.cumsum(sizes)]).tolist()
        self.model = model
        rows = {"stages": ("bpfree_stage[]", stages), "steps": ("bpfree_ripple_step[]", steps)}
        self._alive = {name: ffi.new(*row) for name, row in (rows | {"offsets": ("uint32_t[]", offsets)}).items()}
        numbers = {"n_stages": len(stages), "floats": offsets[-1], "scratch": scratch[0], "scratch_fixed": scratch[1]}
        contract = lib.bpfree_registry_contraction(model.isa_number)
        self.c = ffi.new("bpfree_ripples *", self._alive | numbers | {"contract": contract})

    def evaluate(self, theta, packed, x, labels, targets, loss: int, probes: np.ndarray) -> np.ndarray:
        """Losses (probes, n) of every sample at every probe (RIPPLE records); packed is left as it was."""
        ffi, lib, model = core().ffi, core().lib, self.model
        values = np.empty((len(probes), len(x)), np.float32)
        batch, tile = model.batch(x, labels, targets), model.tile(len(x))
        room = model.workspace(lib.bpfree_ripples_size(model.c, self.c, tile))
        own = pointer("packed", packed, np.float32, packed.shape, writable=True)
        given = ffi.from_buffer("bpfree_ripple *", probes), len(probes)
        out = pointer("values", values, np.float32, values.shape, writable=True)
        status = lib.bpfree_evaluate_ripples(
            model.c, self.c, model.theta(theta), own, batch, model.loss(loss), *given, tile, *room, out
        )
        check_status(status, "evaluate")
        return values
