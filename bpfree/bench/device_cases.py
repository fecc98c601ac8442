# SPDX-License-Identifier: MIT
"""What the device benchmark measures: networks, the settings they train with, and how they are compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import bpfree as bf
from bpfree import emulate
from bpfree.bench import mnist_tt
from bpfree.datasets import load_digits
from bpfree.exporters import firmware

TARGET = "cortex-m4f"
GAIN = np.float32(1.5)
"""Factor of the dense network's initial weights, with which forward-only training starts faster."""


def mlp(seed: int) -> bf.Model:
    """Return the network of the published figures: 64 inputs, 32 hidden units, 10 classes."""
    model = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=seed)
    return bf.Model(model.graph, model.theta * GAIN)


def tt(seed: int) -> bf.Model:
    """Return a network of the same sizes with a tensor-train hidden layer: its 714 parameters need fewer queries."""
    layers = [bf.TTLinear((4, 4, 4), (4, 4, 2), rank=4), bf.Tanh(), bf.Linear(10)]
    return bf.Sequential(64, layers, seed=seed)


@dataclass(frozen=True)
class Build:
    """A compiler of :mod:`bpfree.emulate`, its level, link-time optimisation or not, and macros."""

    compiler: str
    optimize: str
    lto: bool = False
    defines: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The flags and macros of this build that are not the same in every row."""
        return " ".join([f"-{self.optimize}", *["-flto"][: self.lto], *(f"-D{name}" for name in self.defines)])


SMALL = ("BPFREE_CHECKS=0", "BPFREE_LOOK_FIRST=0", "BPFREE_UNROLL=1")
FAST = ("BPFREE_LOOK_FIRST=0", "BPFREE_UNROLL=8")
BUILDS = {
    "": Build("gnu", "Os", True),
    "best-size": Build("gnu", "Os", True, SMALL),
    "best-speed": Build("gnu", "Os", True, FAST),
    "no-text": Build("gnu", "Os", True, ("REPORT_TEXT=0",)),
    "no-lto": Build("gnu", "Os"),
    "O2": Build("gnu", "O2"),
    "zig": Build("zig", "Os"),
    "zig-O2": Build("zig", "O2"),
}
"""Builds by the name that a row of theirs has behind the case. The one without a name has no option that is not the
exporter's; best-size leaves out what bpfree_train_init checks, and both leave out the trial of steps with large
coefficients, which are then refused. no-text has all of this, but main.c says nothing in words."""

EVERY = tuple(BUILDS)
BOTH = ("", "zig")


@dataclass(frozen=True)
class Case:
    """A network and what it trains with; `tuned`: the fewest instructions to an accuracy on the digits.

    inference: the program only predicts, from the weights in flash.
    """

    network: Callable[[int], bf.Model]
    estimator: bf.RGE | bf.UnitWise
    update: object = bf.SGD(0.018)
    batch_size: int = 1
    builds: tuple[str, ...] = BOTH
    tuned: bool = False
    inference: bool = False
    max_steps: int = 5000


_UNITS = bf.UnitWise(mu=2.0**-10, two_sided=False)
_QUERY = bf.RGE(mu=2.0**-6)
PREDICT = f"""\
#include "model.h"
#include "port.h"

static float arena[MODEL_ARENA], x[MODEL_FEATURES], y[MODEL_OUTPUTS];

int main(void)
{{
  for (uint32_t k = 0; k < MODEL_FEATURES; k++) x[k] = (float)k;
  port_emit(PORT_MARK, {firmware.MARK_STEP});
  const int status = bpfree_predict(&model, model_theta, x, arena, MODEL_ARENA, y);
  port_emit(PORT_MARK, {firmware.MARK_STEP_DONE});
  port_emit(PORT_HASH, (uint32_t)bpfree_hash(y, MODEL_OUTPUTS));
  return status;
}}
"""
"""main.c of a program that only predicts."""

CASES = {
    "mlp-64-32-10": Case(mlp, _QUERY, builds=EVERY),
    "mlp-64-32-10-tuned": Case(mlp, bf.RGE(n_queries=16, mu=2.0**-6), batch_size=16, builds=EVERY, tuned=True),
    "mlp-64-32-10-unit-wise": Case(
        mlp, _UNITS, bf.SGD(bf.linear_decay(0.1, steps=1800, end=0.01)), 1, EVERY, tuned=True, max_steps=3000
    ),
    "mlp-64-32-10-inference": Case(mlp, _QUERY, inference=True),
    "tt-714": Case(tt, bf.RGE(mu=2.0**-7), bf.SGD(0.04)),
    "tt-714-tuned": Case(
        tt, bf.RGE(n_queries=64, mu=2.0**-7, two_sided=False), bf.SGD(0.04), 8, tuned=True, max_steps=3000
    ),
    "mnist-tt": Case(mnist_tt.network, _QUERY),
    "mnist-tt-adam": Case(mnist_tt.network, _QUERY, bf.Adam(0.01)),
    "mnist-tt-unit-wise": Case(mnist_tt.network, _UNITS),
}
"""Cases by name. A step of those that are not tuned is one sample and one query, as a step of back-propagation is one
sample. Settings of tuned ones, such as batch and learning rate, were tuned on the validation split for the fewest
instructions, with seeds 0 to 8. The tensor-train network's learning rate is the largest tried with which all of those
seeds came to both accuracies."""


def samples_of(case: Case) -> firmware.Samples:
    """Return the digits; for a network of other inputs as many random bytes, whose values cost no instruction."""
    graph, train = case.network(0).graph, load_digits("train")
    if graph.input.size == train.pixels.shape[1]:
        return firmware.Samples(train.pixels, labels=train.labels, scale=1 / 16)
    pixels = np.random.default_rng(0).integers(0, 256, (20, graph.input.size)).astype(np.uint8)
    return firmware.Samples(pixels, labels=np.arange(20) % graph.output.size, scale=1 / 256)


def figures_of(built: emulate.Firmware) -> dict[str, int]:
    """Return the bytes of a firmware and the instructions of its first step, by metric."""
    sizes = emulate.footprint(built)
    marks = (firmware.MARK_STEP, firmware.MARK_STEP_DONE)
    result = emulate.run_firmware(built, count_between=marks, timeout_s=300)
    if result.exit_code:
        raise RuntimeError(f"the firmware in {built.folder} ended with status {result.exit_code}")
    return {
        "ram_bytes": sizes.ram_bytes,
        "stack_bytes": result.stack_bytes,
        "total_ram_bytes": sizes.ram_bytes + result.stack_bytes,
        "flash_bytes": sizes.flash_bytes,
        "instructions_per_step": result.instructions,
    }
