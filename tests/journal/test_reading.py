"""What was read of a journal's file is what was verified, whatever happens to the file later."""

import os

import numpy as np
import pytest

import bpfree as bf

MODEL = bf.Sequential(6, [bf.Linear(4), bf.Tanh(), bf.Linear(3)], seed=1)
STEPS = 40


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(path of the journal of 40 steps, the run)"""
    path = tmp_path_factory.mktemp("journal") / "run.journal"
    x = np.random.default_rng(5).normal(size=(90, 6)).astype(np.float32)
    data = x, (x[:, 0] > 0) * 1 + (x[:, 1] > 0)
    run = bf.train(
        MODEL, data, estimator=bf.RGE(3), update=bf.Adam(0.02), max_steps=STEPS, batch_size=8, engine="exact",
        journal=path, journal_every=15,
    )  # fmt: skip
    return path, run


@pytest.fixture
def copied(tmp_path, written):
    path = tmp_path / "copy.journal"
    path.write_bytes(written[0].read_bytes())
    return path


@pytest.mark.parametrize("change", ["truncate", "overwrite"])
def test_a_file_that_changes_later_does_not_change_the_journal(copied, written, change):
    """Its records were views of the file: cut it, and a look at one was SIGBUS; write to it, and they changed."""
    journal = bf.Journal.read(copied)
    if change == "truncate":
        os.truncate(copied, 0)
    else:
        copied.write_bytes(b"\x7f" * copied.stat().st_size)
    assert bf.theta_hash(bf.replay(journal, MODEL, engine="exact")) == written[1].model.hash


def test_a_journal_that_is_being_written_to_is_read_up_to_where_it_is(copied, written):
    """Readers do not need to wait for a writer, whose last record may be there in part."""
    whole = copied.read_bytes()
    for size in range(len(whole) - 200, len(whole), 7):
        copied.write_bytes(whole[:size])
        assert len(bf.Journal.read(copied)) in range(STEPS - 9, STEPS + 1)
