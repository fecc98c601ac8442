# SPDX-License-Identifier: MIT
"""`bpfree bench parallel`: its rows, and that they report different results."""

import pytest

from bpfree import native
from bpfree.bench import parallel
from bpfree.bench.rows import FIELDS

if not native.available():
    pytest.skip("the compiled core is not built", allow_module_level=True)


@pytest.fixture
def short(monkeypatch):
    """Let the benchmark probe one coordinate in a hundred."""
    steps = parallel._steps
    monkeypatch.setattr(parallel, "_steps", lambda engine, fraction, n: steps(engine, 0.01, n))


def test_one_worker_and_two(short):
    rows = {(r["case"], r["metric"]): r for r in parallel.run(quick=True)}
    assert all(tuple(r) == FIELDS for r in rows.values())
    one = rows["cge-3962/1", "seconds_per_step"]
    assert one["value"] > 0 and one["ratio"] == 1
    for name in ("cge-3962", "cge-3962/threads"):
        seconds = rows[name, "seconds_per_step"]
        assert seconds["ratio"] == pytest.approx(seconds["value"] / one["value"])
        assert rows[name, "theta_hash_equal"]["value"] == 1
    assert rows["cge-3962", "load_average"]["value"] >= 0


def test_another_result_is_told(short, monkeypatch):
    steps = parallel._steps

    def wrong(engine, fraction, n):
        seconds, theta = steps(engine, fraction, n)
        return seconds, theta if engine == "compiled" else theta[::-1]

    monkeypatch.setattr(parallel, "_steps", wrong)
    rows = {(r["case"], r["metric"]): r["value"] for r in parallel.run(quick=True)}
    assert rows["cge-3962/1", "theta_hash_equal"] == 1 and rows["cge-3962", "theta_hash_equal"] == 0
