# SPDX-License-Identifier: MIT
"""Fine-tuning: a network that reads digits learns to tell odd from even, from 100 examples and losses alone.

    model = bf.Model.load("digits.npz")                          # somebody else's network
    model = model.replace("linear3", [bf.Linear(2)])             # a new head
    run = bf.train(model, data, trainable="linear3.*", ...)      # 66 parameters; the body is frozen

The body is passed through once a step; every probe after that costs a pass of the head. Beside it, with the same
number of forwards: all parameters of the same network, and the same head on a body that has learnt nothing. Then the
network goes on learning on a microcontroller, which keeps the body in flash.

Run it with `python examples/fine_tune.py`; it takes a few seconds.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import bpfree as bf
from bpfree.datasets import load_digits

EXAMPLES = 100


def pretrain(path, epochs):
    """Train a network on the ten digits, looking into its layers, and save it; return its test accuracy."""
    digits = load_digits()
    start = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=1)
    run = bf.train(start, digits.train, estimator=bf.UnitWise(), update=bf.Adam(0.01), batch_size=32, epochs=epochs)
    run.model.save(path)
    return run.model.accuracy(*digits.test)


def learn(model, trainable, lr, max_forwards):
    """Train with losses only on the first examples, within a number of forwards; return the run."""
    train = load_digits().train
    data = train.x[:EXAMPLES], train.labels[:EXAMPLES] % 2
    return bf.train(
        model, data, trainable=trainable, estimator=bf.RGE(n_queries=8), update=bf.Adam(lr), batch_size=25,
        max_forwards=max_forwards,
    )  # fmt: skip


def to_firmware(run, folder):
    """Write a program that goes on with the run on a Cortex-M4F; return the bytes of parameters in RAM and in flash."""
    train = load_digits().train
    samples = bf.exporters.firmware.Samples(train.pixels[:EXAMPLES], labels=train.labels[:EXAMPLES] % 2, scale=1 / 16)
    bf.exporters.firmware.export(run.model, folder, trainer=run.trainer, samples=samples, steps=10)
    return 4 * run.model.graph.n_theta, 4 * run.model.graph.n_frozen


def main(max_forwards=30_000, epochs=10, folder=None):
    """Pre-train, replace the head, train it three ways, export it; print the numbers and return them."""
    folder = Path(folder or tempfile.mkdtemp())
    print(f"ten digits, the network to begin with: {pretrain(folder / 'digits.npz', epochs):.1%}\n")
    model = bf.Model.load(folder / "digits.npz").replace("linear3", [bf.Linear(2)], seed=3)
    untrained = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(2)], seed=3)
    runs = {
        "new head, body frozen": learn(model, "linear3.*", 0.02, max_forwards),
        "new head, all trained": learn(model, "*", 0.005, max_forwards),
        "same head, untrained body": learn(untrained, "linear3.*", 0.02, max_forwards),
    }
    test = load_digits().test
    accuracy = {name: run.model.accuracy(test.x, test.labels % 2) for name, run in runs.items()}
    print(f"odd or even, {EXAMPLES} examples       parameters   steps   forwards   accuracy")
    for name, run in runs.items():
        numbers = f"{run.model.graph.n_theta:11,} {run.steps:7,} {run.forwards:10,} {accuracy[name]:10.1%}"
        print(f"{name:30} {numbers}")

    tuned = runs["new head, body frozen"]
    tuned.model.save(folder / "odd_or_even.npz")
    ram, flash = to_firmware(tuned, folder / "firmware")
    print(f"\n{folder}/firmware goes on from there: {ram:,} B of parameters in RAM, {flash:,} B in flash")
    return {**accuracy, "ram": ram, "flash": flash}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
