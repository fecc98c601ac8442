"""Models as layers of others, models up to a tensor, and nodes that others take the place of.

The oracle is composition: a model of models computes what they compute one after the other, bit for bit.
"""

import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, floats, make_engine
from random_graphs import random_graph

import bpfree as bf
from bpfree.engines.trace import Trace
from bpfree.graph.layers import assemble, initial_parameters


def body(seed=1):
    layers = [bf.Linear(7), bf.Tanh(), bf.Residual(bf.Linear(7)), bf.TTLinear((7, 1), (2, 3), rank=2)]
    return bf.Sequential(5, layers, seed=seed).freeze("linear1.*", "*.core0")


def names(model):
    return [node.name for node in model.graph.nodes]


def of_slices(model, prefix=""):
    """Values, frozen or not, by name, of the slices below a prefix."""
    flags = {part.name: part.frozen for part in model.graph.slices}
    own = {name: values for name, values in model.parameters().items() if name.startswith(prefix)}
    return {name[len(prefix):]: (flags[name], values.tobytes()) for name, values in own.items()}


def residual_net(seed=0):
    """A DAG: two branches of one tensor, added."""
    rows = [
        ("linear", "stem", ["input"], {"outputs": 6, "bias": True}),
        ("relu", "left", ["stem"], {}),
        ("linear", "right", ["stem"], {"outputs": 6, "bias": False}),
        ("add", "sum", ["left", "right"], {}),
        ("linear", "head", ["sum"], {"outputs": 3, "bias": True}),
    ]
    graph = assemble([5], rows, frozen=["right.weight"])
    return bf.Model(graph, *initial_parameters(graph, seed))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("inner", [body, residual_net], ids=["chain", "graph"])
def test_a_model_is_a_layer(inner, engine):
    first, x = inner(), floats(0, 9, 5)
    width = first.graph.output.size
    rest = bf.Sequential(width, [bf.ReLU(), bf.Linear(4)], seed=3)
    whole = bf.Sequential(5, [first, rest], seed=8)
    y = rest.predict(first.predict(x, make_engine(engine)), make_engine(engine))
    assert_same_bits(whole.predict(x, make_engine(engine)), y)
    second = f"model{len(first.graph.nodes) + 1}."
    assert of_slices(whole, "model1.") == of_slices(first) and of_slices(whole, second) == of_slices(rest)
    assert len(of_slices(whole)) == len(of_slices(first)) + len(of_slices(rest))


def test_layers_beside_a_model_are_drawn_by_the_seed_and_named_by_their_place():
    whole = bf.Sequential(5, [bf.Linear(5), body(), bf.ReLU(), bf.Linear(2)], seed=4)
    assert names(whole)[0] == "linear1" and names(whole)[1] == "model2.linear1" and names(whole)[-1] == "linear8"
    other = bf.Sequential(5, [bf.Linear(5), body(seed=2), bf.ReLU(), bf.Linear(2)], seed=4)
    for part in ("linear1.weight", "linear8.weight"):
        assert whole.parameters()[part].tobytes() == other.parameters()[part].tobytes()
    again = bf.Sequential(5, [bf.Linear(5), body(), bf.ReLU(), bf.Linear(2)], seed=5)
    assert of_slices(again, "model2.") == of_slices(whole, "model2.") and of_slices(again) != of_slices(whole)


def test_twice_the_same_model_is_two_of_it():
    square = bf.Sequential(5, [bf.Linear(5), bf.Tanh()], seed=1)
    twice, x = bf.Sequential(5, [square, square]), floats(0, 4, 5)
    assert names(twice) == ["model1.linear1", "model1.tanh2", "model3.linear1", "model3.tanh2"]
    assert twice.graph.n_theta == 2 * square.graph.n_theta
    assert_same_bits(twice.predict(x, "exact"), square.predict(square.predict(x, "exact"), "exact"))
    twice.theta[0] += 1
    moved = of_slices(twice)
    assert moved["model1.linear1.weight"] != moved["model3.linear1.weight"] == of_slices(square)["linear1.weight"]


def test_models_of_models_and_behind_a_skip():
    deep = bf.Sequential(5, [bf.Sequential(5, [bf.Sequential(5, [bf.Linear(5)], seed=1).freeze("*")])])
    assert of_slices(deep, "model1.model1.") == of_slices(bf.Sequential(5, [bf.Linear(5)], seed=1).freeze("*"))
    square, x = bf.Sequential(5, [bf.Linear(5), bf.Tanh()], seed=1), floats(0, 4, 5)
    skip = bf.Sequential(5, [bf.Residual(square, bf.ReLU())])
    y = square.predict(x, "exact")
    assert_same_bits(skip.predict(x, "exact"), x + np.where(y <= 0, np.float32(0), y))
    tokens = assemble([5], [("parameter", "p", [], {"shape": [5]}), ("add", "s", ["input", "p"], {})])
    model = bf.Model(tokens, floats(2, 5))
    assert_same_bits(bf.Sequential(5, [bf.Sequential(5, [model])]).predict(x, "exact"), x + model.theta)


def test_shapes_of_models_are_checked():
    with pytest.raises(ValueError, match=r"model2 expects inputs of shape \(5,\), got 'linear1' of shape \(4,\)"):
        bf.Sequential(3, [bf.Linear(4), body()])
    with pytest.raises(ValueError, match=r"model1 expects inputs of shape \(5,\), got 'input' of shape \(5, 1\)"):
        bf.Sequential((5, 1), [body()])
    model = residual_net()
    trainer = bf.Trainer(model.graph, model.frozen, "mse", bf.RGE(), bf.SGD(), 1)
    for wrong in (bf.Model, model.graph, trainer):
        with pytest.raises(TypeError, match="layers: expected layers such as"):
            bf.Sequential(5, [wrong])


@pytest.mark.parametrize("seed", range(12))
def test_up_to_any_tensor_of_random_graphs(seed):
    graph = random_graph(seed)
    model = bf.Model(graph, *initial_parameters(graph, seed))
    x, engine = floats(seed, 4, *graph.input.shape), bf.ReferenceEngine(exact=True)
    values = Trace(engine, graph, model.theta, model.frozen, x.reshape(4, -1)).values
    for node in graph.nodes:
        part = model.up_to(node.name)
        assert names(part)[-1] == node.name and of_slices(part).items() <= of_slices(model).items()
        assert_same_bits(part.predict(x, "exact"), np.ascontiguousarray(values[node.output].T))
        read = {tensor for row in part.rows() for tensor in row.inputs}
        assert set(names(part)) - read == {node.name}, "nothing is there that is not needed"


def test_up_to_names_what_there_is():
    for tensor in ("input", "nothing", 3):
        with pytest.raises(ValueError, match="tensor: expected one that a node makes, stem, .*, head, got"):
            residual_net().up_to(tensor)


def test_a_new_head():
    model, x = body(), floats(0, 6, 5)
    new = model.replace("tt_linear5", [bf.Linear(4, gain=2.0)], seed=9)
    assert names(new) == [*names(model)[:-1], "linear5"]
    features, own = model.up_to("add4").predict(x, "exact"), new.parameters()
    head = bf.Sequential(7, [bf.Linear(4)])
    head.theta[:] = np.concatenate([own["linear5.weight"].ravel(), own["linear5.bias"]])
    assert_same_bits(new.predict(x, "exact"), head.predict(features, "exact"))
    kept, before = of_slices(new), of_slices(model)
    assert sorted(set(before) - set(kept)) == ["tt_linear5.bias", "tt_linear5.core0", "tt_linear5.core1"]
    assert all(kept[name] == before[name] for name in kept if not name.startswith("linear5")), "the body is the same"
    assert not kept["linear5.weight"][0] and new.hash != model.hash and new.frozen_hash != model.frozen_hash
    wide = model.replace("tt_linear5", [bf.Linear(4)], seed=9).parameters()["linear5.weight"]
    assert_same_bits(own["linear5.weight"], wide * 2)  # the layer's gain
    other = model.replace("tt_linear5", [bf.Linear(4)], seed=8).parameters()["linear5.weight"]
    assert (other != wide).any()


def test_the_hashes_are_those_of_a_graph_made_so():
    rows = [*residual_net().rows()[:-1], ("linear", "other", ["sum"], {"outputs": 8, "bias": False})]
    values = floats(3, 8, 6)
    new = residual_net().replace("head", rows[-1:], {"other.weight": values})
    graph = assemble([5], rows, frozen=["right.weight"])
    own = residual_net().parameters()
    made = bf.Model(graph, np.concatenate([own["stem.weight"].ravel(), own["stem.bias"], values.ravel()]),
                    own["right.weight"].ravel())  # fmt: skip
    assert new.graph == graph and (new.hash, new.frozen_hash) == (made.hash, made.frozen_hash)


def test_inside_a_graph_readers_follow():
    model, x = residual_net(), floats(0, 6, 5)
    new = model.replace("left", [bf.Tanh()])
    assert [(row.name, row.inputs) for row in new.rows()][1:4] == [
        ("tanh2", ("stem",)), ("right", ("stem",)), ("sum", ("tanh2", "right")),
    ]  # fmt: skip
    assert of_slices(new) == of_slices(model)
    both = model.replace(["left", "right"], [("scale", "left", ["stem"], {"factor": 2.0, "offset": 0.0}),
                                             ("relu", "again", ["left"], {})])  # fmt: skip
    stem = model.up_to("stem").predict(x, "exact") * np.float32(2)
    assert_same_bits(both.up_to("sum").predict(x, "exact"), stem + np.where(stem <= 0, np.float32(0), stem))
    several = model.replace("left", [bf.Linear(4), bf.Tanh(), bf.Linear(6)])
    assert names(several) == ["stem", "linear2", "tanh3", "linear4", "right", "sum", "head"]
    twice = bf.Sequential(5, [bf.Linear(5), bf.ReLU(), bf.Linear(5)]).replace("relu2", [bf.Tanh(), bf.Linear(5)])
    assert names(twice) == ["linear1", "tanh2", "linear4", "linear3"], "no name comes twice"
    three = bf.Sequential(5, [bf.Linear(5), bf.ReLU(), bf.Linear(5)]).replace("relu2", [bf.Tanh(), bf.ReLU()])
    assert names(three) == ["linear1", "tanh2", "relu3", "linear3"]


def test_what_nothing_reads_any_more_is_gone():
    model, x = residual_net(), floats(0, 6, 5)
    chain = model.replace("sum", [("relu", "only", ["left"], {})])
    assert names(chain) == ["stem", "left", "only", "head"] and chain.graph.n_frozen == 0
    less = model.replace("left", [])
    assert less.rows()[2].inputs == ("stem", "right")
    stem = model.up_to("stem").predict(x, "exact")
    assert_same_bits(less.up_to("sum").predict(x, "exact"), stem + model.up_to("right").predict(x, "exact"))
    assert names(model.replace("head", [])) == ["stem", "left", "right", "sum"]
    assert names(model.replace(["sum", "head"], [("relu", "end", ["stem"], {})])) == ["stem", "end"]


def test_a_model_as_the_new_part_brings_its_weights():
    model = residual_net()
    new = model.replace("head", [bf.Sequential(6, [bf.Linear(2)], seed=5).freeze("*.bias"), bf.Tanh()])
    assert names(new)[-2:] == ["model5.linear1", "tanh6"]
    assert of_slices(new, "model5.") == of_slices(bf.Sequential(6, [bf.Linear(2)], seed=5).freeze("*.bias"))
    own = model.replace("head", [("linear", "head", ["sum"], {"outputs": 3, "bias": True}, ("weight",))],
                        {"head.weight": np.ones((3, 6))})  # fmt: skip
    assert of_slices(own)["head.weight"] == (True, np.ones(18, np.float32).tobytes())
    assert not own.parameters()["head.bias"].any()


WRONG = [
    (("nothing", []), {}, ValueError, "node: expected a name of stem, .*, got 'nothing'"),
    (([], []), {}, TypeError, r"node: expected the name of a node, or several, got \[\]"),
    ((3, []), {}, TypeError, "node: expected the name of a node, or several, got 3"),
    (("head", bf.Linear(3)), {}, TypeError, "rows: expected a list of layers or of"),
    (("head", "linear"), {}, TypeError, "rows: expected a list of layers or of"),
    (("head", [("linear", "h", ["sum"])]), {}, TypeError, r"rows: expected \(op, name, inputs, attributes\), got"),
    (("head", [("linear", "h", ["head"], {"outputs": 1, "bias": True})]), {}, ValueError, "'h': expected inputs among"),
    (("head", [("relu", "left", ["sum"], {})]), {}, ValueError, "names to be unique, got 'left' twice"),
    (("left", [("relu", "head", ["stem"], {})]), {}, ValueError, "names to be unique, got 'head' twice"),
    (("sum", [bf.Linear(6)]), {}, ValueError, r"rows: expected rows, as node 'sum' \(add\) reads 2 tensors, got"),
    (("sum", []), {}, ValueError, "rows: expected at least one in the place of node 'sum'"),
    (("stem", [bf.Linear(4)]), {}, ValueError, r"'sum': add expects inputs of one shape, got \[\(4,\), \(6,\)\]"),
    ((["stem", "left"], [("linear", "stem", ["input"], {"outputs": 4, "bias": True}), ("linear", "left", ["stem"],
     {"outputs": 6, "bias": True})]), {}, ValueError,
     r"rows behind which right.weight keeps its shape \(6, 6\), got \(6, 4\)"),
    (("right", [bf.Linear(4)]), {}, ValueError, r"node 'sum': add expects inputs of one shape, got"),
    ((["stem", "left"], [bf.Linear(6)]), {}, ValueError, "rows: expected one named 'stem', which node 'right' reads"),
    (("head", [bf.Linear(2)]), {"parameters": {"stem.bias": np.zeros(6)}}, ValueError,
     r"parameters: expected names among \['linear5.weight', 'linear5.bias'\], got 'stem.bias'"),
    (("head", [bf.Linear(2)]), {"parameters": {"linear5.bias": np.zeros(3)}}, ValueError,
     r"parameters: expected linear5.bias to be floats of shape \(2,\), got float64 of shape \(3,\)"),
    (("head", [bf.Linear(2)]), {"parameters": [1]}, TypeError, "parameters: expected a dict"),
    (("head", [bf.Linear(2)]), {"seed": -1}, ValueError, "seed: expected"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "named", "kind", "message"), WRONG, ids=range(len(WRONG)))
def test_what_does_not_fit_is_named(given, named, kind, message):
    model = residual_net()
    with pytest.raises(kind, match=message):
        model.replace(*given, **named)
    assert of_slices(model) == of_slices(residual_net()), "nothing has been changed"


def test_rows_are_a_copy():
    attributes = {"outputs": 3, "bias": True}
    model = residual_net().replace("head", [("linear", "head", ["sum"], attributes)])
    before = model.graph.to_json()
    attributes["outputs"] = 4
    for row in model.rows():
        row.attributes.clear()
    assert model.graph.to_json() == before


def test_what_a_model_brought_and_nothing_reads_is_gone():
    """A graph may have nodes that its output does not need, and a new part with such a graph is cut like any other."""
    rows = [("linear", "idle", ["input"], {"outputs": 2, "bias": True}), ("relu", "y", ["input"], {})]
    inner = bf.Model(assemble([6], rows), np.ones(14))
    assert names(residual_net().replace("left", [inner])) == ["stem", "model2.y", "right", "sum", "head"]
    assert "model1.idle" in names(bf.Sequential(6, [inner]))


def test_nothing_left_is_refused():
    with pytest.raises(ValueError, match="rows: expected at least one in the place of node 'linear1'"):
        bf.Sequential(4, [bf.Linear(3)]).replace("linear1", [])


@pytest.mark.parametrize("value", [1e300, -np.inf, np.nan])
def test_values_that_float32_cannot_hold_are_refused(value):
    model = bf.Sequential(4, [bf.Linear(3), bf.ReLU(), bf.Linear(2)])
    with pytest.raises(ValueError, match="^parameters: expected linear3.bias to be finite float32 numbers, got some"):
        model.replace("linear3", [bf.Linear(2)], {"linear3.bias": np.array([0.0, value])})
