# SPDX-License-Identifier: MIT
"""What back-propagation would take, beside products counted by hand."""

import pytest

import bpfree as bf
from bpfree.engines.cost import backprop_macs, graph_macs


def mlp(*widths):
    layers = [layer for width in widths[1:] for layer in (bf.Linear(width), bf.ReLU())]
    return bf.Sequential(widths[0], layers[:-1])


def by_hand(widths, trained=None):
    """Forward, weights' and inputs' products of a chain of dense layers, as a textbook lists them."""
    layers = list(zip(widths, widths[1:]))
    trained = range(len(layers)) if trained is None else trained
    weights = sum(layers[k][0] * layers[k][1] for k in trained)
    inputs = sum(a * b for a, b in layers[min(trained) + 1 :])
    return sum(a * b for a, b in layers) + weights + inputs


@pytest.mark.parametrize("widths, forwards", [((784, 1024, 10), 2.01), ((784, 256, 256, 256, 10), 2.40), ((5, 3), 2)])
def test_a_pass_and_its_way_back_by_hand(widths, forwards):
    graph = mlp(*widths).graph
    assert backprop_macs(graph) == by_hand(widths)
    assert backprop_macs(graph) / graph_macs(graph) == pytest.approx(forwards, abs=5e-3)


def test_nothing_goes_back_behind_the_first_trained_layer():
    widths = (20, 30, 40, 5)
    assert backprop_macs(mlp(*widths).freeze("linear1.*").graph) == by_hand(widths, trained=(1, 2))
    assert backprop_macs(mlp(*widths).freeze("linear3.*").graph) == by_hand(widths, trained=(0, 2))
    frozen = mlp(*widths).freeze("*").graph
    assert backprop_macs(frozen) == graph_macs(frozen), "nothing to go back for"


def test_tensor_trains_go_back_core_by_core():
    """(4 5) -> (3 2), rank 2, cheaper from the right: 5 x (2 2) products at 4 places, then (2 4) x 3 at 2."""
    layer = bf.TTLinear((4, 5), (3, 2), rank=2)
    first, second = 5 * 4 * 4, 8 * 3 * 2
    alone = bf.Sequential(20, [layer]).graph
    assert graph_macs(alone) == first + second
    assert backprop_macs(alone) == 3 * (first + second) - first
    both = bf.Sequential(20, [bf.Linear(20), layer]).graph
    assert backprop_macs(both) == 2 * 400 + 3 * (first + second), "what comes in depends on trained parameters now"
