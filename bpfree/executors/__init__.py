# SPDX-License-Identifier: MIT
"""Executors: engines that have the probes of a step evaluated by several workers.

A worker is given theta, a batch and a range of probes, and returns the losses
(probes in the range, B) of every sample: these are put where they belong, and
only then summed, in order. So every result has the bits of one worker's,
whatever the number of workers, the ranges, and the order of replies.
"""

from __future__ import annotations

from bpfree.executors.futures import Futures, Threads
from bpfree.executors.processes import Processes

__all__ = ["Futures", "Processes", "Threads"]
