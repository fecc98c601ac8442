# SPDX-License-Identifier: MIT
"""The option `--workers N`, which spreads the probes of an engine over workers."""

from __future__ import annotations

from contextlib import contextmanager


@contextmanager
def engine_with_workers(name: str | None, n_workers: int, own=()):
    """Yield the engine of this name (None: the default) with n_workers workers, which end with the block.

    own: what is of one's own, in words, which the compiled engine lacks.
    The workers are threads for the compiled engine, which releases the interpreter lock, and processes for NumPy.
    """
    from bpfree.engines import get_engine

    engine = get_engine(name, own)
    if n_workers == 1:
        yield engine
        return
    from bpfree.executors import Processes, Threads

    with (Threads if engine.name == "compiled" else Processes)(n_workers, engine) as shared:
        yield shared
