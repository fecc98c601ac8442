"""Firmware of graphs that few models have: nodes without inputs, tensors in rows with gaps. The same bits there too."""

import re

import numpy as np
import pytest
from helpers import floats

import bpfree as bf
from bpfree.exporters import firmware
from bpfree.graph.c_tables import model_tables
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.trainer import Trainer

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from bpfree import emulate  # noqa: E402

STEPS = 6
SAMPLES = firmware.Samples(floats(1, 12, 6), targets=floats(2, 12, 2))
TT = {"inputs": [2, 6], "outputs": [4, 2], "ranks": [1, 3, 1], "bias": True}
ROWS = [
    ("linear", "a", ["input"], {"outputs": 12, "bias": True}),
    ("parameter", "token.cls", [], {"shape": [12]}),
    ("add", "sum", ["a", "token.cls"], {}),
    ("tanh", "h", ["sum"], {}),
    ("softmax", "p", ["h"], {}),
    ("tt_linear", "left", ["p"], {**TT, "start": "left"}),
    ("scale", "s", ["left"], {"factor": 1.5, "offset": -0.25}),
    ("tt_linear", "right", ["s"], {**TT, "inputs": [2, 4], "start": "right"}),
    ("linear", "y", ["right"], {"outputs": 2, "bias": False}),
]
GAPS = {1: (4, 5), 2: (6, 8), 3: (3, 7), 4: (2, 3), 5: (6, 6), 6: (2, 5), 7: (4, 4), 8: (1, 2)}


def trained(two_sided, frozen=()):
    """A model, and the run of the exact reference that firmware has to repeat."""
    graph = assemble([6], ROWS, frozen=frozen)
    theta, constants = initial_parameters(graph, 5)
    model = bf.Model(graph, theta + floats(3, theta.size, scale=0.2), constants + floats(4, constants.size))
    run = bf.train(
        model, (SAMPLES.x, SAMPLES.targets), loss="mse", estimator=bf.RGE(2, two_sided=two_sided, grouping="tensor"),
        update=bf.SGD(0.05), batch_size=3, max_steps=STEPS, engine="exact",
    )  # fmt: skip
    return model, run


def gaps_option(folder):
    return re.search(r"#define BPFREE_GAPS (\d)", (folder / "runtime/bpfree/config.h").read_text())[1]


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("gaps", [True, False])
def test_the_same_bits_on_the_device(workshop, monkeypatch, two_sided, gaps):
    model, run = trained(two_sided, frozen=["left.core0", "a.weight"])
    if gaps:
        sides = run.trainer.estimator.row.device.sides(run.trainer.estimator)
        tables = lambda trainer: model_tables(trainer.graph, sides, rows=GAPS)
        monkeypatch.setattr(firmware, "device_tables", tables)
    firmware.export(model, workshop, trainer=run.trainer, samples=SAMPLES, steps=STEPS)
    assert gaps_option(workshop) == str(int(gaps))
    result = emulate.run_firmware(emulate.compile_firmware(workshop, optimize="Os"))
    assert result.exit_code == 0 and f"{result.hash:016x}" == run.model.hash
    np.testing.assert_array_equal(result.words.view(np.float32), np.concatenate(run.journal.records).ravel())


def test_an_arena_with_gaps_is_bigger():
    graph = assemble([6], ROWS)
    assert model_tables(graph, rows=GAPS).arena.per_sample > model_tables(graph).arena.per_sample


def test_a_device_refuses_to_look_into_what_is_not_dense():
    graph = assemble([6], ROWS[:4] + [("linear", "y", ["h"], {"outputs": 2, "bias": False})])
    trainer = Trainer(graph, np.zeros(0, np.float32), "mse", bf.UnitWise(), bf.SGD(), 2)
    with pytest.raises(ValueError, match=r"node 'token.cls' \(parameter\): on a device it needs dense layers"):
        firmware.device_tables(trainer)
