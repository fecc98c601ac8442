"""`bpfree_pde` of the C runtime, called as a device calls it."""

import numpy as np

from bpfree.native import core
from bpfree.native.arrays import aligned, check_status, pointer
from bpfree.native.model import TILE
from bpfree.native.pde import NativeJets


class NativePde:
    """`bpfree_pde`: points through a rule, a network and a residual, as a device computes them.

    model: NativeModel. rule, residual: rows of the tables of rules and of problems by number. settings, coefficients:
    the rule's and the residual's, as their C files say.
    """

    def __init__(self, model, streams, rule: int, settings, residual: int, coefficients):
        ffi, lib = core().ffi, core().lib
        self.jets = NativeJets(model, streams)
        self.model, self.streams = model, self.jets.streams
        self._settings = ffi.new("float[]", list(settings) or 1)
        self._coefficients = ffi.new("float[]", list(coefficients) or 1)
        how = (self.jets.through, self.streams.c, lib.bpfree_registry_rule(rule), self._settings)
        what = (lib.bpfree_registry_residual(residual), self._coefficients)
        self.c = ffi.new("bpfree_pde *", (model.c, *how, *what))
        check_status(lib.bpfree_pde_check(self.c), "pde")

    def residuals(self, theta, points, tile: int | None = None):
        """r (n,) at points (n, features), and their loss sum r^2, both float32."""
        lib, ffi, n = core().lib, core().ffi, len(points)
        check_status(lib.bpfree_check_arithmetic(), "residuals")
        tile = tile or (1 if self.model.lanes == 1 else TILE)
        floats = lib.bpfree_pde_size(self.c, tile)
        work, r, loss = aligned(floats), np.empty(n, np.float32), ffi.new("float *")
        status = lib.bpfree_pde_residuals(
            self.c,
            pointer("theta", theta, np.float32, (self.model.tables.n_theta,)),
            pointer("points", points, np.float32, (n, self.model.tables.features)),
            n, tile, ffi.from_buffer("float *", work), floats,
            pointer("r", r, np.float32, (n,), writable=True), loss,
        )  # fmt: skip
        check_status(status, "residuals")
        return r, np.float32(loss[0])
