# SPDX-License-Identifier: MIT
"""`--workers N`: the engine of a command, shared out."""

from __future__ import annotations

from contextlib import contextmanager


@contextmanager
def engine_with_workers(name: str | None, n_workers: int):
    """The engine of this name (None: the default) with so many workers, which end with the block.

    Threads for the compiled engine, which lets others run while it computes, and processes for NumPy.
    """
    from bpfree.engines import get_engine

    engine = get_engine(name)
    if n_workers == 1:
        yield engine
        return
    from bpfree.executors import Processes, Threads

    with (Threads if engine.name == "compiled" else Processes)(n_workers, engine) as shared:
        yield shared
