"""Damaged and hostile files are fed to readers: each takes it, or says in a line what is wrong, soon."""

import contextlib
import os
import resource
import time

import numpy as np

CASES = 300
"""Cases of each reader where BPFREE_FUZZ_SECONDS does not say for how long."""

SECONDS = float(os.environ.get("BPFREE_FUZZ_SECONDS", 0))
SEED = int(os.environ.get("BPFREE_FUZZ_SEED", 0))

MOST_BYTES = 256 * 2**20
"""Memory that a reader may take besides what the process has."""

MOST_SECONDS = 2.0


@contextlib.contextmanager
def little_memory():
    """Requests for more than MOST_BYTES fail while this lasts."""
    if not os.path.exists("/proc/self/statm"):
        yield  # a system that does not say what the process has
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def fuzz(make, read, refusals, cases=CASES):
    """read(make(r)) for so many draws: it returns, or raises one of the refusals with one line of text.

    A failure says with which number `one` repeats it.
    """
    begin, number, taken = time.monotonic(), 0, 0
    while number < cases if not SECONDS else time.monotonic() - begin < SECONDS:
        taken += one(number, make, read, refusals)
        number += 1
    assert 0 < taken < number, f"{taken} of {number} were taken: nothing is tried"


def one(number, make, read, refusals) -> bool:
    """Was the case of this number taken?"""
    r = np.random.default_rng([SEED, number])
    data, begin, taken = make(r), time.process_time(), True
    try:
        with little_memory():
            read(data)
    except refusals as error:
        text, taken = str(error), False
        assert text and len(text.splitlines()) == 1 and len(text) < 2000, f"case {number}: {text[:3000]!r}"
    except BaseException as error:
        error.add_note(f"case {number}, seed {SEED}: {data[:300]!r}")
        raise
    spent = time.process_time() - begin
    assert spent < MOST_SECONDS, f"case {number}, seed {SEED}: took {spent:.1f} s: {data[:300]!r}"
    return taken
