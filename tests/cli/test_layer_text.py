# SPDX-License-Identifier: MIT
"""The layer language: it builds the same models as the layer classes, and marks mistakes in the text."""

from __future__ import annotations

import click
import pytest

import bpfree as bf
from bpfree.cli import networks
from bpfree.cli.data import load
from bpfree.cli.layer_text import LayerTextError, layer_classes, parse_layers

DIGITS = load("digits")


def build(text, seed=0):
    return networks.from_text(text, DIGITS, seed, "--layers")


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("linear(32) relu linear(10)", [bf.Linear(32), bf.ReLU(), bf.Linear(10)]),
        ("linear(outputs)", [bf.Linear(10)]),
        ("  LINEAR( 32 , bias = False )\n\tSin()  Linear(10,gain=0.5) ",
         [bf.Linear(32, bias=False), bf.Sin(), bf.Linear(10, gain=0.5)]),
        ("tt(32,rank=6)tanh tt([4,8],[5,2],rank=[3])",
         [bf.TTLinear(32, rank=6), bf.Tanh(), bf.TTLinear((4, 8), (5, 2), rank=(3,))]),
        ("ttlinear([8,8],[4,8],rank=6,max_parameters=3)", None),
        ("scale(0.5,-1e-1) flatten residual(linear(64) residual(sigmoid)) softmax",
         [bf.Scale(0.5, -0.1), bf.Flatten(), bf.Residual(bf.Linear(64), bf.Residual(bf.Sigmoid())), bf.Softmax()]),
    ],
)  # fmt: skip
def test_the_same_model_as_in_python(text, layers):
    if layers is None:
        with pytest.raises(click.BadParameter, match="max_parameters: only for planned shapes"):
            build(text)
        return
    model, expected = build(text, seed=3), bf.Sequential(64, layers, seed=3)
    assert model.graph.to_json() == expected.graph.to_json() and model.hash == expected.hash


def test_every_layer_of_the_package_has_a_name():
    layers = {name for name, home in bf._HOMES.items() if hasattr(getattr(bf, name), "node")} | {"Residual"}
    assert {cls.__name__ for cls in layer_classes().values()} == layers


@pytest.mark.parametrize(
    ("text", "message", "marked"),
    [
        ("tt(1024,rank=6) rleu linear(10)", "expected a layer (", "rleu"),
        ("", "expected a layer", ""),
        ("linear(10", "expected ',' or ')', got the end", ""),
        ("linear(10,)", "expected a number, [numbers], true, false, outputs or a layer, got ')'", ")"),
        ("linear(ten)", "got 'ten'", "ten"),
        ("linear(10) )", "expected a layer or the end, got ')'", ")"),
        ("linear(3),relu", "expected a layer or the end, got ','", ","),
        ("linear", "missing a required argument: 'outputs'; it takes linear(outputs, bias=true, gain=1.0)", "linear"),
        ("relu linear(3,rank=2)", "unexpected keyword argument 'rank'; it takes linear(", "linear"),
        ("linear(3,bias=true,bias=false)", "bias is given twice", "bias"),
        ("linear(bias=true,3)", "expected a named argument, such as rank=6, after a named one", "3"),
        ("tt([7,x],[8,8],rank=2)", "expected a number", "x"),
        ("tt([7],[8,8],rank=2) relu", "as many outputs as inputs", "tt"),
        ("relu linear(0) relu", "outputs: expected an integer >= 1, got 0", "linear"),
        ("linear(5,gain=-1) relu", "gain: expected a finite number > 0", "linear"),
        ("relu residual(linear(10))", "add expects inputs of one shape", "residual"),
        ("__import__('os')", "expected a layer", "__import__"),
        ("linear(10) relu.forward", "expected a layer or the end, got '.'", "."),
    ],
)
def test_mistakes_are_marked_in_the_text(text, message, marked):
    with pytest.raises(click.BadParameter) as caught:
        build(text)
    complaint, shown, marks = str(caught.value).split("\n")
    assert message in complaint and shown == f"  {text}"
    start = marks.index("^")
    assert shown[start : start + marks.count("^")] == marked


def test_long_and_deep_texts_end_in_an_answer():
    assert len(parse_layers("relu " * 2000, 10)) == 2000
    with pytest.raises(LayerTextError, match="nested"):
        parse_layers("residual(" * 5000, 10)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_built_in_networks(name):
    features, outputs = (784, 10) if name.startswith("mnist") else (64, 10)
    splits = {"train": (DIGITS.splits["train"][0][:, :1].repeat(features, 1), DIGITS.splits["train"][1])}
    model = networks.build(type(DIGITS)("x", splits), name, None, seed=0)
    assert model.graph.input.size == features and model.graph.output.size == outputs
    if name == "mnist-tt":
        assert model.graph.n_theta == 3962
    if name == "mnist-dense":
        assert model.graph.n_theta == 814_090
