"""What commands print on a terminal of 80 columns, and that no row of it says nothing."""

import json

import numpy as np
import pytest
from command_line import run

import bpfree as bf

TERMINAL = {"COLUMNS": "80"}


@pytest.mark.parametrize("width", [32, 1024])
def test_the_table_of_ram_keeps_numbers_and_headings_whole(width):
    bf.Sequential(784, [bf.Linear(width), bf.ReLU(), bf.Linear(10)]).save("model.npz")
    text = run("info", "model.npz", env=TERMINAL).stdout
    plans = json.loads(run("info", "model.npz", "--json", "-").stdout)["training_ram_bytes"]
    assert all(len(line) <= 80 for line in text.splitlines()) and len(plans) > 5
    for heading in ("total", "arena", "state", "other"):
        assert f" {heading} " in text
    rows = {cells[0]: cells[1:] for line in text.splitlines() if (cells := line.replace(" ", "").split("│")[1:-1])}
    for name, parts in plans.items():
        total, *known = (int(cell.replace(",", "") or 0) for cell in rows[name.replace(" ", "")])
        assert total == parts["total"] == sum(known) + parts["theta"] + parts["sample"]
        assert known[:2] == [parts["arena"], parts["state"]]
        assert f"theta {parts['theta']:,} and sample {parts['sample']:,}" in text


def test_counts_are_whole_numbers_and_targets_have_no_row_of_a_floor():
    x = np.random.default_rng(0).uniform(size=(60, 2)).astype("f4")
    np.savez("targets.npz", x=x, y=x[:, 0])
    np.savez("classes.npz", x=x, y=(x[:, 0] > 0.5).astype(int))
    told = {name: run("train", f"{name}.npz", "--max-forwards", "1e4", env=TERMINAL).stdout
            for name in ("targets", "classes")}  # fmt: skip
    assert "max_forwards 10,000, seed" in told["targets"].replace("\n", " ")
    assert "floor" not in told["targets"] and "floor: untrained features" in told["classes"]
