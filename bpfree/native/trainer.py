# SPDX-License-Identifier: MIT
"""The C training loop as a device runs it: streamed samples, paired probes, replay."""

from __future__ import annotations

import numpy as np

from bpfree.native.arrays import aligned, check_status, pointer
from bpfree.native.loading import core
from bpfree.native.structs import make


class NativeTrainer:
    """`bpfree_trainer` and its context over a NativeModel.

    Rows of the tables by number, None for `bpfree_given`; settings: the estimator's
    own, a Struct or None; `links` (of the update) and schedules are (row, settings). `data` is
    (x, labels, targets[, weights]) for `step`; `apply` needs none. Stepping streams one
    sample at a time, so it needs a model of the "scalar" instruction set with
    tables for two sides, which keep the tensors `kept`.
    """

    def __init__(
        self,
        model,
        *,
        loss,
        estimator,
        links,
        clip,
        seed,
        batch,
        n_queries,
        two_sided,
        mu,
        scale=1.0,
        mu_schedule=None,
        lr_schedule=None,
        settings=None,
        kept=frozenset(),
        weighted=False,
        data=None,
    ):
        ffi, lib = core().ffi, core().lib
        if data is not None and model.lanes != 1:
            raise ValueError(f'model: expected the "scalar" instruction set to stream samples, got "{model.isa}"')
        if data is not None and not kept <= model.tables.arena.keep:
            raise ValueError("model: expected tables that keep what the estimator reads, such as device_tables makes")
        self.model = model
        self._floats = [ffi.new("float[]", list(own)) for _, own in links]
        rows = [{"update": model.update(n), "settings": own} for (n, _), own in zip(links, self._floats, strict=True)]
        self._links = ffi.new("bpfree_link[]", rows)
        own, self._own = make(settings)
        numbers = {"seed": seed, "batch": batch, "n_queries": n_queries, "two_sided": two_sided}
        numbers |= {"mu": mu, "clip": clip, "scale": scale, "weighted": weighted}
        fields = {
            "model": model.c,
            "estimator": model.estimator(estimator),
            "settings": own,
            "links": self._links,
            "n_links": len(links),
            "loss": model.loss(loss),
            **numbers,
        }
        for name, schedule in (("mu_schedule", mu_schedule), ("lr_schedule", lr_schedule)):
            if schedule is not None:
                number, values = schedule
                self._floats.append(ffi.new("float[]", list(values)))
                fields[name] = {"factor": lib.bpfree_registry_schedule(number), "settings": self._floats[-1]}
        self.c = ffi.new("bpfree_trainer *", fields)
        if data is not None:
            self._attach(*data)
        tables = model.tables
        self.theta, self.x = aligned(tables.n_theta), aligned(tables.features)
        self.arena = aligned(lib.bpfree_train_arena_size(model.c))
        self.n_groups = lib.bpfree_n_groups(self.c)
        self.coefficients = aligned(self.n_groups * n_queries)
        self.state = aligned(lib.bpfree_state_size(self.c))
        self.work = aligned(lib.bpfree_work_size(self.c))
        self.context = ffi.new("bpfree_context *")
        for name in ("theta", "x", "arena", "coefficients", "state", "work"):
            setattr(self.context, name, ffi.from_buffer("float *", getattr(self, name)))
            setattr(self.context, f"{name.removesuffix('s')}_floats", getattr(self, name).size)
        check_status(lib.bpfree_train_init(self.c, self.context), "train")

    def step(self, theta, step: int) -> np.ndarray:
        """Return the next theta, by `bpfree_step`; `coefficients` then holds the record, `state` the update's state."""
        self._enter(step)
        self.theta[:] = theta
        check_status(core().lib.bpfree_step(self.c, self.context), f"step {step}")
        return self.theta.copy()

    def apply(self, theta, state: list, step: int, coefficients: np.ndarray) -> tuple[np.ndarray, list]:
        """Return the next theta and state from a record (groups, coefficients), by `bpfree_apply_from`."""
        lib, ffi = core().lib, core().ffi
        theta = pointer("theta", np.ascontiguousarray(theta, np.float32), np.float32, self.theta.shape)
        record = pointer("coefficients", coefficients, np.float32, (self.n_groups, self.c.n_queries))
        self._renew()  # what is given back is the caller's
        parts = np.split(self.state, np.cumsum([part.size for part in state])[:-1]) if state else []
        before = [
            pointer("state", np.ascontiguousarray(values, np.float32), np.float32, part.shape)
            for part, values in zip(parts, state, strict=True)
        ]
        self._enter(step)
        status = lib.bpfree_apply_from(self.c, self.context, theta, ffi.new("float *[]", before), record)
        check_status(status, f"step {step}")
        return self.theta, parts

    def _renew(self) -> None:
        self.theta, self.state = aligned(self.theta.size), aligned(self.state.size)
        for name in ("theta", "state"):
            setattr(self.context, name, core().ffi.from_buffer("float *", getattr(self, name)))

    def _enter(self, step: int) -> None:
        check_status(core().lib.bpfree_check_arithmetic(), f"step {step}")
        self.context.step = step

    def train_bytes(self) -> int:
        """Bytes of RAM of a run by `bpfree_train_size`, with pointers of this machine's size."""
        return core().lib.bpfree_train_size(self.c)

    def _attach(self, x, labels, targets, weights=None):
        n, tables = len(x), self.model.tables
        self._rows = core().ffi.new("bpfree_rows *")
        self._rows.batch.x = pointer("x", x, np.float32, (n, tables.features))
        self._rows.batch.n = n
        if labels is not None:
            self._rows.batch.labels = pointer("labels", labels, np.uint32, (n,))
        if targets is not None:
            self._rows.batch.targets = pointer("targets", targets, np.float32, (n, tables.outputs))
        if weights is not None:
            self._rows.weights = pointer("weights", weights, np.float32, (n,))
        self._rows.features, self._rows.outputs = tables.features, tables.outputs
        self._rows.seed, self._rows.per_step = self.c.seed, self.c.batch
        self._data = (x, labels, targets, weights)
        self.c.sample, self.c.user = core().lib.bpfree_sample_row, self._rows
