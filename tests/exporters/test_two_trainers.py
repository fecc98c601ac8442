"""Any two trainers share one runtime: options of config.h that one of them does without stay on for the other."""

import itertools

import pytest

import bpfree as bf
from bpfree.exporters import firmware

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from firmware_runs import DIGITS  # noqa: E402

from bpfree import emulate  # noqa: E402


def dense():
    return bf.Sequential(64, [bf.Linear(12), bf.ReLU(), bf.Linear(10)], seed=0)


def tensor_trains():
    layers = [bf.TTLinear((8, 8), (8, 8), rank=3), bf.Tanh(), bf.TTLinear((8, 8), (5, 2), rank=3)]
    return bf.Sequential(64, layers, seed=1)


TRAINERS = {
    "signs": (dense, bf.RGE(), bf.SGD(0.01)),
    "factors": (dense, bf.UnitWise(), bf.SGD(0.1)),
    "one_sided": (dense, bf.RGE(3, two_sided=False), bf.Adam(0.01)),
    "in_turn": (tensor_trains, bf.RGE(2), bf.SGD(0.01)),
    "layers": (tensor_trains, bf.UnitWise(), bf.SGD(0.05)),
    "coordinates": (dense, bf.CGE(0.02), bf.Momentum(0.01)),
}
PAIRS = list(itertools.combinations(TRAINERS, 2))


@pytest.mark.parametrize(
    "pair", [PAIRS[0], *(pytest.param(pair, marks=pytest.mark.slow) for pair in PAIRS[1:])], ids="-".join
)
def test_both_end_with_the_bits_of_the_computer(tmp_path, pair):
    for name in pair:
        network, estimator, update = TRAINERS[name]
        model = network()
        trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", estimator, update, batch_size=1)
        firmware.export(model, tmp_path, trainer=trainer, samples=DIGITS, steps=4, name=name)
    result = emulate.run_firmware(emulate.compile_firmware(tmp_path, optimize="Os"))
    assert result.exit_code == 0 and result.text.count("as on the computer") == 2 and "NOT" not in result.text
