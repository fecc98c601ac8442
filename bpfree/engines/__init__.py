# SPDX-License-Identifier: MIT
"""Engines turn parameters into losses. All have the same three verbs.

predict(graph, theta, frozen, x) -> y (n, outputs)
evaluate(graph, theta, frozen, batch, loss, probes) -> per-sample losses (probes, n), cost;
    each loss times its sample's weight, `batch.weighed(losses)`: `weighs = True` says so
apply(trainer, theta, state, step, coefficients) -> theta, state: one step from its record

None of them writes theta, and several threads may use one engine side by side. The cost
is all multiply-accumulates, in passes of one sample. An engine that does not run every
node for every probe has a `cache`, whose `choose` says before what that will be; without
one a probe counts as a pass.
"""

from __future__ import annotations

from functools import lru_cache

from bpfree.engines.batch import Batch
from bpfree.engines.compiled import CompiledEngine
from bpfree.engines.reference import ReferenceEngine
from bpfree.errors import check_choice

__all__ = ["Batch", "CompiledEngine", "ReferenceEngine", "get_engine"]

_NAMES = {
    "reference": ReferenceEngine,
    "exact": lambda: ReferenceEngine(exact=True),
    "compiled": CompiledEngine,
}


@lru_cache(maxsize=len(_NAMES))
def _default(name: str):
    # Kept, so that its tables are built once.
    return _NAMES[name]()


def get_engine(engine, own=()):
    """An engine by name ("reference", "exact", "compiled"); an engine is returned as it is.

    None chooses "compiled" where the compiled core can be loaded and nothing is of one's own, else "reference";
    so do workers whose engine nobody chose.
    own: what is, in words. Raises ValueError for an engine that has only the rows of the tables.
    """
    from bpfree import native

    if engine is None:
        return _default("compiled" if native.available() and not own else "reference")
    engine = _given(engine)
    if not own or getattr(engine, "takes_own_rows", True):
        return engine
    if _by_default(engine):
        return engine.in_python()
    workers = 'workers of them such as bf.Threads(2, "reference")'
    expected = f"'reference' or 'exact', or {workers}, as {own[0]} is of your own and not in C"
    raise ValueError(f"engine: expected {expected}, got {engine.name!r}")


def fallback(engine, own) -> str:
    """Return why the default engine is not the compiled one, in words; "" where it is, or where one was named."""
    from bpfree import native

    if not (engine is None or _by_default(engine)):
        return ""
    if not native.available():
        return "reference, as there is no compiled core: bits are those of NumPy's BLAS here ('exact' has the core's)"
    if not own:
        return ""
    return f"reference, as {own[0]} is of your own and not in C: a step takes many times as long"


def _by_default(engine) -> bool:
    """Return whether these are workers whose engine nobody chose."""
    return getattr(engine, "by_default", False)


def _given(engine):
    """An engine that is named or given."""
    if isinstance(engine, type):
        raise TypeError(f"engine: expected a name or an engine such as {engine.__name__}(), got the class")
    if isinstance(engine, str):
        return _NAMES[check_choice("engine", engine, tuple(_NAMES))]()
    if not hasattr(engine, "evaluate"):
        names = ", ".join(map(repr, _NAMES))
        raise TypeError(f"engine: expected one of {names} or an engine, got {engine!r}")
    return engine
