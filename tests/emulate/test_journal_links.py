"""A firmware with a log: what it calls is linked, SHA-256 only where seals are; and the log it sends is a journal."""

import shutil

import numpy as np
import pytest

for _module in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(_module, reason=f'{_module} compiles, runs or reads firmware: pip install "bpfree[emulate]"')

import bpfree as bf  # noqa: E402
from bpfree import emulate  # noqa: E402
from bpfree.datasets import load_digits  # noqa: E402
from bpfree.exporters import firmware  # noqa: E402
from bpfree.journal import Journal, replay  # noqa: E402

MODEL = bf.Sequential(64, [bf.Linear(4), bf.ReLU(), bf.Linear(10)], seed=0)
TRAIN = load_digits("train").part(0, 12)
TRAINER = bf.Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", bf.RGE(2), bf.SGD(0.05), batch_size=3, seed=5)

MAIN = """\
#include "bpfree/journal.h"
#include "model.h"
#include "port.h"

float theta[MODEL_THETA], x[MODEL_FEATURES], arena[TRAINER_ARENA], record[TRAINER_RECORD];
static const char text[] = "TEXT";
uint8_t page[2048];

void send(int n);
void send(int n)
{
  for (int k = 0; k < n; k++) port_emit(PORT_WORD, page[k]);
}

int main(void)
{
  bpfree_context run = {.theta = theta, .x = x, .arena = arena, .coefficients = record,
                        .theta_floats = BPFREE_FLOATS(theta), .x_floats = BPFREE_FLOATS(x),
                        .arena_floats = BPFREE_FLOATS(arena), .coefficient_floats = BPFREE_FLOATS(record)};
  const uint8_t *settings = (const uint8_t *)text;
  uint32_t n_settings = sizeof text - 1;
  for (uint32_t k = 0; k < MODEL_THETA; k++) theta[k] = model_theta[k];
  int status = bpfree_train_init(&trainer, &run);
  BODY
  return n_settings && settings ? status : 1;
}
"""
STEP = "  status = status ? status : bpfree_step(&trainer, &run);\n"
BEGIN = """\
  bpfree_journal log;
  send(bpfree_journal_begin(&log, &trainer, &run, BPFREE_SCALARS, 8, settings, n_settings, page, sizeof page));
"""
SEALS = "  bpfree_seal seal;\n  bpfree_seal_begin(&seal, &log, page);\n"
WRITE = "  send(bpfree_journal_scalars(&log, &run, page, sizeof page));\n"
SKIP = """\
  status = status ? status : bpfree_skip(&trainer, &run);
  send(bpfree_journal_skip(&log, &run, BPFREE_SKIP_SAMPLE, settings, 7, page, sizeof page));
"""
SEAL = "  send(bpfree_journal_seal(&log, &run, page, sizeof page));\n"


def built(folder, body):
    """Exported sources and those of the journal, with a main of one's own, compiled."""
    samples = firmware.Samples(TRAIN.pixels, labels=TRAIN.labels, scale=1 / 16)
    firmware.export(MODEL, folder, trainer=TRAINER, samples=samples, steps=1)
    sources = firmware.runtime_folder() / "src"
    for source in (*sources.glob("journal*.c"), sources / "sha256.c"):
        shutil.copy(source, folder / "runtime")
    text = TRAINER.settings().replace('"', '\\"')
    (folder / "main.c").write_text(MAIN.replace("TEXT", text).replace("  BODY\n", body))
    return emulate.compile_firmware(folder)


@pytest.mark.parametrize(
    ("body", "linked"),
    [(STEP, set()), (BEGIN + STEP + WRITE, {"journal"}), (BEGIN + SEALS + STEP + WRITE + SEAL, {"journal", "sha256"})],
    ids=["no log", "log", "sealed"],
)
def test_only_what_is_called_is_linked(body, linked, tmp_path):
    names = emulate.symbols(built(tmp_path, body))
    assert {part for part in ("journal", "sha256") if any(part in name for name in names)} == linked
    assert "bpfree_journal_replay" not in names


def test_the_log_of_a_device_is_a_journal(workshop):
    """Two steps, one that is skipped, one more; sealed."""
    firmware_file = built(workshop, BEGIN + SEALS + STEP + WRITE + SKIP + STEP + WRITE + SEAL)
    result = emulate.run_firmware(firmware_file, timeout_s=60)
    assert result.exit_code == 0
    path = workshop / "device.log"
    path.write_bytes(np.array(result.words, np.uint8).tobytes())
    journal = Journal.read(path)
    assert (len(journal), journal.next_step, journal.torn, journal.program_size) == (2, 3, 0, 8)
    assert [skip.step for skip in journal.skips] == [1] and len(journal.seals) == 1
    theta, state, engine = MODEL.theta, [], bf.ReferenceEngine(exact=True)
    batch = bf.engines.Batch(TRAIN.x, labels=TRAIN.labels.astype(np.uint32))
    for step, record in zip((0, 2), journal.records, strict=True):
        samples = batch.take(TRAINER.indices(step, len(batch)))
        assert (TRAINER.estimate(engine, theta, samples, step).coefficients == record).all()
        theta, state = engine.apply(TRAINER, theta, state, step, record)
    assert (replay(path, MODEL) == theta).all()
