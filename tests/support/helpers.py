"""What the tests share: the engines, small graphs for single operations, and exact comparison.

A new row in a table of the package is picked up by the tests through the lists here; a row that
needs settings to be tried with fails test_tables.py until it has some.
"""

import numpy as np

from bpfree import native, rng
from bpfree.arithmetic import Fast
from bpfree.engines import CompiledEngine, ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.estimators.cge import CGE
from bpfree.estimators.coordinate_descent import CoordinateDescent
from bpfree.estimators.hybrid import Hybrid
from bpfree.estimators.layer_access import HEADS
from bpfree.estimators.node_perturbation import NodePerturbation
from bpfree.estimators.rge import GROUPINGS, RGE
from bpfree.estimators.step import check_pair
from bpfree.estimators.structured import StructuredCGE
from bpfree.estimators.unit_wise import UnitWise
from bpfree.graph.c_tables import model_tables
from bpfree.graph.layers import assemble
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer
from bpfree.schedules.cosine_decay import cosine_decay
from bpfree.schedules.exponential_decay import exponential_decay
from bpfree.schedules.linear_decay import linear_decay
from bpfree.schedules.power_decay import power_decay
from bpfree.updates.adam import Adam
from bpfree.updates.chain import chain, clip
from bpfree.updates.momentum import Momentum
from bpfree.updates.normalize import Normalize
from bpfree.updates.sgd import SGD
from bpfree.updates.stale import Stale
from bpfree.updates.weight_decay import WeightDecay
from bpfree.updates.window_momentum import WindowMomentum

ISAS = native.isa_names()
ENGINES = ["exact", *(f"compiled-{isa}" for isa in ISAS)]
"""Every engine that promises the same bits."""

FRACTIONS = (0.1, 0.3, 0.5, 0.9, 1.0)
"""Shares of the coordinates; never only 0.5, where what is kept and what is dropped look the same."""


def _rge(direction):
    """Every grouping and sidedness, with few and with several queries."""
    return [
        RGE(n_queries=q, mu=mu, two_sided=two_sided, grouping=grouping, direction=direction, scale=scale)
        for grouping in GROUPINGS
        for two_sided in (True, False)
        for q, mu, scale in (
            (1, 2.0**-7, 1),
            (5, 0.01, "dim" if grouping == "joint" else 1),
            (2, linear_decay(0.1, steps=3, end=0.01), 1),
        )
    ]


ESTIMATOR_SETTINGS = {
    "rge": _rge("rademacher"),
    "rge_gaussian": _rge("gaussian"),
    "rge_sphere": _rge("sphere"),
    "rge_hadamard": _rge("hadamard"),
    "cge": [
        *(
            CGE(fraction, mu=0.02, two_sided=two_sided, rescale=two_sided == (fraction in (0.1, 0.9)))
            for fraction in FRACTIONS
            for two_sided in (True, False)
        ),
        CGE(0.3, mu=linear_decay(0.1, steps=3, end=0.01), mask_refresh=2),
        CGE(0.4, mu=0.02, ratios="uniform", mask_refresh=3),
        CGE(0.7, mu=0.02, two_sided=False, ratios="erk", rescale=True),
        CGE(0.1, mu=0.02, order="cyclic", two_sided=False, rescale=True),
        CGE(0.4, mu=0.02, order="cyclic", mask_refresh=2),
    ],
    "unit_wise": [
        *(UnitWise(0.02, two_sided=two_sided, head=head) for two_sided in (True, False) for head in HEADS),
        UnitWise(linear_decay(0.1, steps=3, end=0.01)),
    ],
    "node_perturbation": [
        NodePerturbation(),
        *(NodePerturbation(3, 0.02, two_sided, head) for two_sided in (True, False) for head in HEADS),
        NodePerturbation(2, linear_decay(0.1, steps=3, end=0.01)),
    ],
    "structured_cge": [
        StructuredCGE(mu=0.02),
        StructuredCGE(mu=0.02, two_sided=False),
        StructuredCGE(mu=linear_decay(0.1, steps=3, end=0.01)),
    ],
    "hybrid": [
        *(Hybrid(n, mu=0.02, two_sided=two_sided) for n in (11, 30, 70, 5000) for two_sided in (True, False)),
        Hybrid(20, mu=linear_decay(0.1, steps=3, end=0.01)),
    ],
    "coordinate_descent": [
        CoordinateDescent(),
        CoordinateDescent(0.1, mu=0.1),
        CoordinateDescent(1.0, mu=linear_decay(0.1, steps=20, end=0.01)),
    ],
}
"""Settings to try, by row of the table of estimators."""

BLACK_BOX = [
    settings for rows in ESTIMATOR_SETTINGS.values() for settings in rows if settings.row.tier == "black-box"
]
"""Those that look at losses only, which can be measured anywhere."""

SCHEDULE_SETTINGS = {
    "cosine_decay": [cosine_decay(0.1, steps=50), cosine_decay(0.1, steps=7, end=0.3, warmup=3)],
    "exponential_decay": [
        exponential_decay(0.005, 0.8, every=9), exponential_decay(1.0, 0.999, end=0.25, warmup=20),
    ],
    "linear_decay": [linear_decay(0.1, steps=10), linear_decay(0.3, steps=99, end=0.4, warmup=5)],
    "power_decay": [power_decay(0.1), power_decay(0.3, 0.101, stability=100, end=0.2, warmup=5), power_decay(2.0, 1.0)],
}  # fmt: skip
"""Settings to try, by row of the table of schedules."""

CHAINS = [
    chain(clip(0.02), SGD(0.1)),
    chain(clip(0.02), WeightDecay(0.01), Adam(0.02)),
    chain(Momentum(0.1), WeightDecay(1e-3), SGD(0.9)),
    chain(Adam(0.01), Momentum(1.0, beta=0.5), WeightDecay(1e-4)),
    chain(clip(0.5), Normalize(), SGD(0.02)),
    chain(clip(0.5), WindowMomentum(power_decay(0.1), window=2), Normalize(0.3), WeightDecay(1e-3), Adam(0.1)),
    chain(clip(0.5), Stale(0.9), Normalize(), WeightDecay(1e-3), Adam(linear_decay(0.1, steps=9))),
    chain(clip(0.02), Adam(cosine_decay(0.02, steps=4, end=0.001, warmup=2)), WeightDecay(1e-4)),
]
"""Updates of several links: every kind of state before and behind another."""


def fits(estimator, update):
    """Can this update work with this estimator?"""
    try:
        check_pair(estimator, update)
    except ValueError:
        return False
    return True


def fitting(estimator, update):
    """This update, or SGD(1.0) where the estimator cannot work with it."""
    return update if fits(estimator, update) else SGD(1.0)


def probing(update, estimator):
    """This estimator, or coordinates one after the other where the update cannot work with it."""
    return estimator if fits(estimator, update) else CGE(0.3, order="cyclic")


def make_engine(name):
    """A fresh engine by its name in ENGINES."""
    return ReferenceEngine(exact=True) if name == "exact" else CompiledEngine(name.removeprefix("compiled-"))


def device_loop(trainer, x, labels=None, targets=None, rows=None, weights=None):
    """The C training loop as a device runs it: scalar kernels, paired probes, streamed samples; rows: of tensors."""
    keep = frozenset() if trainer.refusal else trainer.estimator.row.device.kept(trainer.graph)
    model = NativeModel(model_tables(trainer.graph, sides=2, keep=keep, rows=rows), "scalar")
    model.frozen[:] = trainer.frozen
    return NativeTrainer(model, data=(x, labels, targets, weights), **trainer.native_settings())


def assert_loops_agree(trainer, theta, x, labels, steps):
    """The same records and the same theta, bit for bit, in every engine and in the loop of a device."""
    loop = device_loop(trainer, x, labels)
    for step in range(steps):
        batch, results = Batch(x, labels=labels).take(trainer.indices(step, len(x))), []
        for engine in map(make_engine, ENGINES):
            record = trainer.estimate(engine, theta, batch, step).coefficients
            results.append((record, engine.apply(trainer, theta, [], step, record)[0]))
        own = loop.step(theta, step)
        for record, moved in results:
            assert_same_bits(record, loop.coefficients.reshape(record.shape))
            assert_same_bits(moved, own)
        theta = own


class Recorder(list):
    """A callback of train that keeps the coefficients of every step, whether or not the journal does."""

    def __call__(self, step, run):
        self.append(run.coefficients)


def single_op(op, attributes, shapes):
    """A graph of one operation; further inputs, of one shape with the first, are this one scaled by -1.5, -2.5, ..

    An operation without inputs stands beside an input that nobody reads.
    """
    assert len(set(shapes)) <= 1
    others = [("scale", f"x{k}", ["input"], {"factor": -0.5 - k, "offset": 0.0}) for k in range(1, len(shapes))]
    inputs = [name for name, _ in zip(["input", *(row[1] for row in others)], shapes)]
    return assemble(shapes[0] if shapes else (3,), [*others, (op, "node", inputs, attributes)])


def show(settings):
    """A short test id of a settings object."""
    return repr(settings).replace(" ", "")


def floats(seed, *shape, scale=1.0):
    """Normal draws, float32."""
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def portable(number, *shape):
    """Draws in [-1, 1) with the same bits on every machine: what hashes may depend on."""
    draws = rng.uniform(7, number, int(np.prod(shape))).reshape(shape)
    return draws * np.float32(2) - np.float32(1)


def assert_same_bits(result, expected):
    """Equal dtype, shape and every bit; no NaN is expected anywhere."""
    assert result.dtype == expected.dtype == np.float32 and result.shape == expected.shape
    different = np.flatnonzero(result.view(np.uint32) != expected.view(np.uint32))
    assert different.size == 0, (
        f"{different.size} of {result.size} differ, first at {different[0]}: "
        f"{result.flat[different[0]]!r} instead of {expected.flat[different[0]]!r}"
    )


class Counting(Fast):
    """Arithmetic that counts the multiply-accumulates of its contractions."""

    def __init__(self):
        self.macs = 0

    def contract(self, a, x, start=0.0, out=None):
        self.macs += x.shape[0] * a.shape[0] * a.shape[1] * x.shape[2]
        return Fast.contract(a, x, start, out)

    def outer(self, d, x):
        self.macs += d.size * x.shape[1]
        return Fast.outer(d, x)


def as_exported(folder) -> None:
    """Delete the files of an exported runtime that a test has put there or changed, which export would not replace."""
    from bpfree.exporters.folder import is_marked

    for path in (*folder.glob("runtime/**/*"), *folder.glob("port/*")):
        if path.is_file() and not is_marked(path.read_bytes()):
            path.unlink()
