# SPDX-License-Identifier: MIT
"""The log that an exported program keeps is a journal: a computer replays the device's run from it."""

from __future__ import annotations

import re

import numpy as np
import pytest

import bpfree as bf
from bpfree.exporters import firmware
from bpfree.journal import Journal
from bpfree.journal.format import Reason

for package in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from firmware_runs import DIGITS, trained_by  # noqa: E402

from bpfree import emulate  # noqa: E402

STEPS = 7


def log_of(folder, name="model"):
    """What the program keeps in RAM, as a file of its own, and the result of its run."""
    text = (folder / f"{name}.h").read_text()
    size = int(re.search(r"TRAINER_JOURNAL (\d+) ", text)[1])
    result = emulate.run_firmware(emulate.compile_firmware(folder, optimize="Os"))
    path = folder / "device.journal"
    path.write_bytes(result.read_symbol("journal" if name == "model" else f"{name}_ram_journal", size))
    return path, result


@pytest.mark.parametrize(
    ("estimator", "update"),
    [
        (bf.RGE(3, grouping="layer"), bf.chain(bf.clip(0.5), bf.Adam(0.01))),
        (bf.RGE(2, direction="sphere"), bf.SGD(0.02)),
        (bf.UnitWise(), bf.Momentum(0.02)),
    ],
    ids=["scalars", "sphere", "snapshot"],
)
def test_it_replays_to_the_device_s_bits(tmp_path, estimator, update):
    """Every byte of its room is used: the exporter knows how large it gets."""
    model, run = trained_by(estimator, "dense", STEPS, update=update)
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, steps=STEPS, journal=True)
    path, result = log_of(tmp_path)
    journal = Journal.read(path)
    assert (result.exit_code, journal.program_size) == (0, 8)
    if run.trainer.rows["estimator"].journal == "SCALARS":
        assert (len(journal), journal.torn) == (STEPS, 0)
        np.testing.assert_array_equal(np.concatenate(journal.records).ravel(), result.words.view("f4"))
    assert bf.theta_hash(bf.replay(path, model)) == f"{result.hash:016x}" == run.model.hash


def test_skipped_steps_are_in_it(tmp_path):
    model, run = trained_by(bf.RGE(2), "dense", 1)
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, steps=STEPS, journal=True, name="kws")
    source = tmp_path / "kws_samples.c"
    source.write_text(source.read_text().replace("  return 0;", "  return step == 2 || step == 5 ? -1 : 0;"))
    path, result = log_of(tmp_path, "kws")
    journal = Journal.read(path)
    assert [(skip.step, skip.code) for skip in journal.skips] == [(2, Reason.SAMPLE), (5, Reason.SAMPLE)]
    assert bf.theta_hash(bf.replay(path, model)) == f"{result.hash:016x}"
    assert result.exit_code == -12, "the computer would have taken these samples"


def test_a_log_that_is_full_ends_the_run(tmp_path):
    model, run = trained_by(bf.RGE(2), "dense", 1)
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, steps=STEPS, journal=True)
    header = tmp_path / "model.h"
    size = int(re.search(r"TRAINER_JOURNAL (\d+) ", header.read_text())[1])
    header.write_text(header.read_text().replace(f"TRAINER_JOURNAL {size}", f"TRAINER_JOURNAL {size - 1}"))
    path, result = log_of(tmp_path)
    assert result.exit_code == -10 and "ended with status -10" in result.text
    journal = Journal.read(path)
    assert len(journal) == STEPS - 1, "what is in it is still a journal"
    bf.replay(path, model)


def test_without_one_no_code_of_journals_is_there(tmp_path):
    model, run = trained_by(bf.RGE(2), "dense", 1)
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, journal=True)
    assert (tmp_path / "log.c").exists() and (tmp_path / "runtime" / "journal_write.c").exists()
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS)
    assert not (tmp_path / "log.c").exists() and not list((tmp_path / "runtime").glob("journal*.c"))


def test_settings_are_whole(tmp_path):
    model, run = trained_by(bf.RGE(2, grouping="layer"), "tt", 1, update=bf.chain(bf.clip(0.5), bf.Adam(0.01)))
    firmware.export(model, tmp_path, trainer=run.trainer, steps=2, journal=True)
    text = re.search(r"const uint8_t settings\[\d*\] = \{(.*?)\};", (tmp_path / "trainer.c").read_text(), re.DOTALL)[1]
    assert bytes(map(int, text.split(","))).decode() == run.trainer.settings()
