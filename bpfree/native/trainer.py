# SPDX-License-Identifier: MIT
"""The C training loop as a device runs it: streamed samples, paired probes, replay."""

from __future__ import annotations

import numpy as np

from bpfree.native import core
from bpfree.native.arrays import aligned, check_status, pointer


class NativeTrainer:
    """`bpfree_trainer` and its context over a NativeModel.

    Rows of the tables by number; `settings` are the update's floats. `data` is
    (x, labels, targets) for `step`; `apply` needs none. Stepping streams one
    sample at a time, so it needs a model of the "scalar" instruction set with
    tables for two sides.
    """

    def __init__(
        self, model, *, loss, estimator, update, settings, seed, batch, n_queries, grouping, two_sided, mu, data=None
    ):
        ffi, lib = core().ffi, core().lib
        self.model = model
        self._settings = ffi.new("float[]", list(settings))
        self.c = ffi.new("bpfree_trainer *")
        self.c.model = model.c
        self.c.estimator, self.c.update = lib.bpfree_registry_estimator(estimator), lib.bpfree_registry_update(update)
        self.c.loss, self.c.settings = model.loss(loss), self._settings
        self.c.seed, self.c.batch, self.c.n_queries = seed, batch, n_queries
        self.c.grouping, self.c.two_sided, self.c.mu = grouping, two_sided, mu
        if data is not None:
            self._attach(*data)
        tables = model.tables
        self.theta, self.x = aligned(tables.n_theta), aligned(tables.features)
        self.arena = aligned(lib.bpfree_train_arena_size(model.c))
        self.n_groups = lib.bpfree_n_groups(model.c, grouping)
        self.coefficients = aligned(self.n_groups * n_queries)
        self.state = aligned(self.c.update.n_state * tables.n_theta)
        self.context = ffi.new("bpfree_context *")
        for name in ("theta", "x", "arena", "coefficients", "state"):
            setattr(self.context, name, ffi.from_buffer("float *", getattr(self, name)))
        check_status(lib.bpfree_train_init(self.c, self.context), "train")

    def step(self, theta, step: int) -> np.ndarray:
        """The next theta, by `bpfree_step`; `coefficients` then holds the record."""
        self._enter(theta, step)
        check_status(core().lib.bpfree_step(self.c, self.context), f"step {step}")
        return self.theta.copy()

    def apply(self, theta, step: int, coefficients: np.ndarray) -> np.ndarray:
        """The next theta from a record (groups, queries), by `bpfree_apply`."""
        self._enter(theta, step)
        record = pointer("coefficients", coefficients, np.float32, (self.n_groups, self.c.n_queries))
        check_status(core().lib.bpfree_apply(self.c, self.context, record), f"step {step}")
        return self.theta.copy()

    def _enter(self, theta, step: int) -> None:
        check_status(core().lib.bpfree_check_arithmetic(), f"step {step}")
        self.theta[:], self.context.step = theta, step

    def train_bytes(self) -> int:
        """RAM of a run on a device, by `bpfree_train_size`."""
        return core().lib.bpfree_train_size(self.c)

    def _attach(self, x, labels, targets):
        n, tables = len(x), self.model.tables
        self._rows = core().ffi.new("bpfree_rows *")
        self._rows.batch.x = pointer("x", x, np.float32, (n, tables.features))
        self._rows.batch.n = n
        if labels is not None:
            self._rows.batch.labels = pointer("labels", labels, np.uint32, (n,))
        if targets is not None:
            self._rows.batch.targets = pointer("targets", targets, np.float32, (n, tables.outputs))
        self._rows.features, self._rows.outputs = tables.features, tables.outputs
        self._rows.seed, self._rows.per_step = self.c.seed, self.c.batch
        self._data = (x, labels, targets)
        self.c.sample, self.c.user = core().lib.bpfree_sample_row, self._rows
