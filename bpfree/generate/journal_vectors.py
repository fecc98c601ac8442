# SPDX-License-Identifier: MIT
"""Writes journals of the exact reference engine as C arrays: the text of runtime_c/tests/journal.gen.h."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from bpfree import rng
from bpfree.engines.batch import make_batch
from bpfree.engines.reference import ReferenceEngine
from bpfree.estimators.rge import RGE
from bpfree.exporters.c_text import array, braces, float_literal
from bpfree.generate.vectors import golden_network
from bpfree.graph import theta_hash
from bpfree.journal import Journal, Reason
from bpfree.journal.file import JournalFile
from bpfree.model import Model
from bpfree.trainer import Trainer
from bpfree.training.loop import train
from bpfree.updates.adam import Adam
from bpfree.updates.chain import chain, clip
from bpfree.updates.sgd import SGD
from bpfree.updates.weight_decay import WeightDecay
from bpfree.updates.window_momentum import WindowMomentum

_SEED, _SAMPLES, _BATCH = 20, 19, 4
_ESTIMATOR = RGE(n_queries=2, mu=2.0**-7)
_STEPS, _MIDDLE, _ANCHORS, _SKIPPED, _PROGRAM = 6, 3, 4, 2, 16
# The first run is short, for tests of every byte; the second has an update with state, and snapshots of it; the third
# is as a device writes into flash: padded, with a step that was skipped and a seal in the middle.
_RUNS = (
    ("plain", SGD(0.05), None),
    ("adam", chain(clip(0.02), WeightDecay(1e-3), Adam(0.01)), _ANCHORS),
    ("skipping", WindowMomentum(0.05, window=3), _ANCHORS),
)

_HEAD = """\
/* Journals of the exact reference engine, written by `make generate`. Do not edit. */
#ifndef BPFREE_JOURNAL_GEN_H
#define BPFREE_JOURNAL_GEN_H

#include "bpfree/journal.h"

#define GOLDEN_JOURNAL_STEPS {steps}u
#define GOLDEN_JOURNAL_MIDDLE {middle}u /* hash[0] is of theta before this step, hash[1] after the last */

/* A run of the network and estimator of golden_runs[0]. */
typedef struct golden_journal {{
  const char *name;
  const bpfree_link *links;
  uint32_t n_links;
  float clip;
  const uint8_t *bytes;
  uint32_t size;
  uint64_t hash[2];
}} golden_journal;
"""


def journal_header() -> str:
    """Return the text of tests/journal.gen.h."""
    texts, rows = [_HEAD.format(steps=_STEPS, middle=_MIDDLE)], []
    for name, update, journal_every in _RUNS:
        data, hashes, trainer = (_skipping if name == "skipping" else _journal)(update, journal_every)
        links = list(zip(trainer.rows["links"], update.links, strict=True))
        for k, (_, link) in enumerate(links):
            texts.append(array(f"static const float {name}_settings{k}", map(float_literal, link.settings)))
        items = [f"{{&{row.c}, {name}_settings{k}}}" for k, (row, _) in enumerate(links)]
        texts.append(array(f"static const bpfree_link {name}_links", items))
        texts.append(array(f"static const uint8_t {name}_bytes", list(data)))
        clip_at = float_literal(update.clip)
        hashes = braces(f"0x{value}ULL" for value in hashes)
        rows.append(braces((f'"{name}"', f"{name}_links", len(links), clip_at, f"{name}_bytes", len(data), hashes)))
    table = "static const golden_journal golden_journals[] = {\n  " + ",\n  ".join(rows) + "\n};\n"
    return "\n".join([*texts, table, "#endif\n"])


def _journal(update, journal_every):
    """Train; return the bytes of the journal, the theta hashes in the middle and at the end, and the Trainer."""
    graph, theta, frozen = golden_network("dense")
    data, hashes = _samples(graph), {}

    def note(step, run):
        hashes[step + 1] = run.model.hash

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.journal")
        run = train(
            Model(graph, theta, frozen), data, estimator=_ESTIMATOR, update=update, batch_size=_BATCH, seed=_SEED,
            max_steps=_STEPS, engine="exact", callbacks=note, journal=path, journal_every=journal_every,
        )  # fmt: skip
        return path.read_bytes(), (hashes[_MIDDLE], hashes[_STEPS]), run.trainer


def _samples(graph):
    inputs, outputs = graph.input.size, graph.output.size
    x = rng.uniform(_SEED, 1000, _SAMPLES * inputs).reshape(_SAMPLES, inputs) - np.float32(0.5)
    return x, rng.uniform(_SEED, 1001, _SAMPLES * outputs).reshape(_SAMPLES, outputs).argmax(axis=1)


def _skipping(update, journal_every):
    """Return the same, step by step, of a run that skips one step."""
    graph, theta, frozen = golden_network("dense")
    trainer = Trainer(graph, frozen, "cross_entropy", _ESTIMATOR, update, _BATCH, _SEED)
    batch, engine = make_batch(graph, trainer.loss, *_samples(graph)), ReferenceEngine(exact=True)
    journal = Journal(theta_hash(theta), trainer.settings(), program_size=_PROGRAM)
    state, hashes = trainer.initial_state(theta), [theta_hash(theta)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.journal")
        journal.file = JournalFile.create(path, journal.header)
        for step in range(_STEPS):
            if step == _SKIPPED:
                journal.skip(step, Reason.SAMPLE, "no reading")
                state = trainer.skip(state, step)
                journal.seal()
            else:
                samples = batch.take(trainer.indices(step, len(batch)))
                record = trainer.estimate(engine, theta, samples, step).coefficients
                theta, state = engine.apply(trainer, theta, state, step, record)
                journal.append(record)
            if (step + 1) % journal_every == 0:
                journal.snapshot(step + 1, theta, state)
            hashes.append(theta_hash(theta))
        journal.seal()
        journal.file.close()
        return path.read_bytes(), (hashes[_MIDDLE], hashes[_STEPS]), trainer
