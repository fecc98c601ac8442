"""Feature reuse: the bits of the plain evaluation whatever is kept, and a cost that is what was really spent."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from helpers import ENGINES, ESTIMATOR_SETTINGS, assert_same_bits, floats, show
from random_graphs import random_graph

import bpfree as bf
from bpfree.engines import Batch, CompiledEngine, ReferenceEngine, reference
from bpfree.engines.cost import graph_macs, node_macs
from bpfree.engines.reuse import Flow, members
from bpfree.layers import initial_parameters
from bpfree.losses import get_loss
from bpfree.probes import Probe, Probes, records

TRAINABLE = [seed for seed in range(150) if random_graph(seed).n_theta]
CAPS = (0, 300, 3000, 20_000, 64 * 2**20)
"""Bytes: of nothing, of a few tensors of a few samples, of everything."""


def make(name, cache_bytes):
    if name in ("exact", "reference"):
        return ReferenceEngine(exact=name == "exact", cache_bytes=cache_bytes)
    return CompiledEngine(name.removeprefix("compiled-"), cache_bytes=cache_bytes)


def probes_of(graph, seed=3):
    """theta itself, coordinates up and down in a mixed order, and directions over every range of slices."""
    r = np.random.default_rng(seed)
    elements = r.integers(0, graph.n_theta, 12)
    coordinates = records(12, "coordinate", seed, 1, element=elements, mu=r.choice([0.25, -0.25], 12))
    ranges = [(a, b - a) for a in range(len(graph.slices)) for b in range(a + 1, len(graph.slices) + 1)]
    ranges = [ranges[k] for k in r.permutation(len(ranges))[:12]]
    columns = {"first_slice": [a for a, _ in ranges], "n_slices": [n for _, n in ranges], "mu": 0.125}
    directions = [
        records(len(ranges), d, seed, 2, np.arange(len(ranges)), **columns) for d in ("rademacher", "gaussian", "sphere")
    ]
    table = np.concatenate([records(2, "rademacher", seed, 0), coordinates, *directions])
    return Probes(table[r.permutation(len(table))])


def case(seed, n):
    graph = random_graph(seed)
    theta, frozen = initial_parameters(graph, seed)
    theta = theta + floats(seed, graph.n_theta, scale=0.1)  # biases that are not zero
    batch = Batch(floats(seed + 1, n, graph.input.size), targets=floats(seed + 2, n, graph.output.size))
    return graph, theta, frozen, batch


def plain(engine, graph, theta, frozen, batch, probes):
    """Losses of every probe from a call of its own."""
    loss = get_loss("mse")
    return np.concatenate([engine.evaluate(graph, theta, frozen, batch, loss, [probe]) for probe in probes])


@pytest.mark.parametrize("seed", TRAINABLE[::3])
@pytest.mark.parametrize("name", ENGINES)
def test_bits_of_the_plain_evaluation_on_any_graph(name, seed):
    graph, theta, frozen, batch = case(seed, n := (1, 5, 40, 130)[seed % 4])
    probes = probes_of(graph, seed)
    expected = plain(make("exact" if n == 1 else "compiled-scalar", 0), graph, theta, frozen, batch, probes)
    before = theta.copy()
    for cap in CAPS:
        assert_same_bits(make(name, cap).evaluate(graph, theta, frozen, batch, get_loss("mse"), probes), expected)
    assert_same_bits(theta, before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", TRAINABLE[1::10])
def test_bits_of_the_fast_reference(dtype, seed):
    graph, theta, frozen, batch = case(seed, 33)
    probes, loss = probes_of(graph), get_loss("mse")
    expected = plain(ReferenceEngine(dtype=dtype, cache_bytes=0), graph, theta, frozen, batch, probes)
    for cap in CAPS:
        values = ReferenceEngine(dtype=dtype, cache_bytes=cap).evaluate(graph, theta, frozen, batch, loss, probes)
        assert values.dtype == dtype and np.array_equal(values, expected)
