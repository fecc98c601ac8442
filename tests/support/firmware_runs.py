"""Firmware to export and run: models, samples, and runs of theirs."""

import numpy as np

import bpfree as bf
from bpfree import emulate
from bpfree.estimators import ESTIMATORS
from bpfree.exporters import firmware

LABELS = np.arange(60) % 10
PIXELS = np.random.default_rng(5).integers(0, 17, (60, 64)).astype(np.uint8)
DIGITS = firmware.Samples(PIXELS, labels=LABELS, scale=1 / 16)
WAVES = firmware.Samples(
    np.random.default_rng(6).normal(size=(40, 6)).astype(np.float32),
    targets=np.random.default_rng(7).normal(size=(40, 2)).astype(np.float32),
)

MODELS = {
    "dense": lambda: bf.Sequential(64, [bf.Linear(16), bf.ReLU(), bf.Linear(10)], seed=1),
    "tt": lambda: bf.Sequential(
        64,
        [bf.TTLinear((4, 4, 4), (4, 4, 2), rank=3), bf.Tanh(), bf.TTLinear((4, 8), (1, 10), rank=2)],
        seed=2,
    ),
    "residual": lambda: bf.Sequential(
        (8, 8),
        [
            *(bf.Flatten(), bf.Scale(0.5, -0.25), bf.TTLinear(16, rank=2)),
            *(bf.Residual(bf.Linear(16), bf.Tanh()), bf.Linear(10)),
        ],
        seed=4,
    ),
    "deep": lambda: bf.Sequential(
        64,
        [
            *(bf.Linear(12), bf.Tanh(), bf.Scale(0.5, -0.25), bf.Linear(9, bias=False), bf.Sin()),
            *(bf.Residual(bf.Linear(9), bf.Sigmoid()), bf.Linear(10)),
        ],
        seed=6,
    ),
    "padded": lambda: bf.Sequential(
        6, [bf.TTLinear((2, 4), (3, 3), rank=2), bf.Tanh(), bf.Linear(2, bias=False)], seed=3
    ),
}


def trained(name, steps, *, loss="cross_entropy", samples=DIGITS, update=bf.SGD(0.02), **estimator):  # noqa: B008
    """A run of RGE in the compiled engine, and its starting model."""
    return trained_by(bf.RGE(**estimator), name, steps, loss, samples, update)


def trained_by(estimator, name, steps, loss="cross_entropy", samples=DIGITS, update=bf.SGD(0.02), callbacks=()):  # noqa: B008
    """The same with any estimator."""
    model = MODELS[name]()
    y = samples.labels if loss == "cross_entropy" else samples.targets
    run = bf.train(
        model, (samples.x, y), loss=loss, estimator=estimator, update=update, batch_size=4,
        max_steps=steps, engine="compiled", callbacks=callbacks,
    )  # fmt: skip
    return model, run


def on_device(folder, model, run, steps, samples=DIGITS, optimize="Os", **options):
    firmware.export(model, folder, trainer=run.trainer, samples=samples, steps=steps)
    built = emulate.compile_firmware(folder, optimize=optimize)
    return built, emulate.run_firmware(built, **options)


def all_symbols(built):
    """Names of functions and of data."""
    from elftools.elf.elffile import ELFFile

    with open(built.elf, "rb") as file:
        return {symbol.name for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols()}


def estimators_in(built):
    """C symbols of the estimators that were linked."""
    return all_symbols(built) & {row.c for row in ESTIMATORS}
