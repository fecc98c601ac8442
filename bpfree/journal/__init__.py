# SPDX-License-Identifier: MIT
"""The journal: the scalars of a run, from which it is replayed."""

from __future__ import annotations

from bpfree.journal.format import Reason
from bpfree.journal.journal import Event, Journal, Seal, Skip, Snapshot, replay
