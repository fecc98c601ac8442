"""Both sides of a probe one after the other: the same bits as at once, in half the activations."""

import numpy as np
import pytest
from helpers import assert_same_bits, device_loop, floats, show

import bpfree as bf
from bpfree.graph.c_tables import device_tables, model_tables
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer
from bpfree.trainer import Trainer

TRAINS = [bf.TTLinear((2, 3), (4, 4), rank=2), bf.ReLU(), bf.TTLinear((4, 4), (1, 3), rank=2)]
MODEL = bf.Sequential(6, TRAINS, seed=3)
X, LABELS = floats(6, 8, 6), np.arange(8, dtype=np.uint32) % 3


@pytest.mark.parametrize("estimator", [bf.RGE(3), bf.RGE(2, direction="hadamard"), bf.RGE(grouping="layer")], ids=show)
def test_sides_in_turn_give_the_bits_of_a_pair(estimator):
    trainer = Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", estimator, bf.SGD(0.1), batch_size=4)
    one = NativeModel(model_tables(MODEL.graph, sides=1), "scalar")
    in_turn = NativeTrainer(one, data=(X, LABELS, None), **trainer.native_settings())
    at_once = device_loop(trainer, X, LABELS)
    for step in range(3):
        assert_same_bits(in_turn.step(MODEL.theta, step), at_once.step(MODEL.theta, step))
        assert_same_bits(in_turn.coefficients, at_once.coefficients)


def test_tensor_trains_take_turns_and_dense_layers_do_not():
    """Only Linear computes less where both sides are computed at once."""

    def sides(layers):
        graph = bf.Sequential(64, layers).graph
        trainer = Trainer(graph, [], "cross_entropy", bf.RGE(), bf.SGD(), 1)
        return 1 + any(tensor.side for tensor in device_tables(trainer).tensors)

    train = bf.TTLinear((4, 4, 4), (4, 4, 4), rank=4)
    assert sides([train, bf.ReLU(), bf.TTLinear((8, 8), (2, 5), rank=2)]) == 1
    assert sides([bf.Linear(32), bf.ReLU(), bf.Linear(10)]) == 2
    assert sides([train, bf.ReLU(), bf.Linear(10)]) == 2


def test_in_turn_needs_half_the_room():
    trainer = Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", bf.RGE(), bf.SGD(), 1)
    at_once = model_tables(MODEL.graph, sides=2).arena.floats(1)
    in_turn = device_tables(trainer).arena.floats(1)
    assert in_turn < at_once and in_turn >= at_once / 2
