"""Mistakes in operations of one's own are said by name, or do no harm."""

import numpy as np
import pytest
from helpers import floats

import bpfree as bf
from bpfree.engines import ReferenceEngine


def like_input(attributes, shapes):
    return shapes[0]


def identity(site, arithmetic, parameters, inputs):
    return inputs[0]


def rising(site, arithmetic, parameters, inputs):
    return inputs[0] * np.arange(1, 1 + len(inputs[0]), dtype=inputs[0].dtype)[:, None]


def by_features(site, arithmetic, parameters, inputs):
    return inputs[0] * inputs[0].dtype.type(site.features)


def centred(site, arithmetic, parameters, inputs):
    return inputs[0] - inputs[0].mean(axis=0)


def ones(site, arithmetic, x, y):
    return np.ones_like(x)


def own(forward=identity, name="own", infer=like_input, **others):
    return bf.Op(name, infer=infer, forward=forward, **others)


def network(op, seed=1):
    return bf.Sequential(3, [bf.Linear(4), op, bf.Linear(1)], seed=seed)


# ---- Elementwise in name only ----


@pytest.mark.parametrize("forward", [rising, by_features, centred])
def test_probes_of_one_entry_run_whole_what_is_elementwise_in_name_only(forward):
    """What it makes of some elements may depend on the others, and on how many there are."""
    model, data = network(bf.elementwise_op("own", forward, ones)), (floats(1, 16, 3), floats(2, 16, 1))
    settings = {"loss": "mse", "estimator": bf.CGE(), "update": bf.SGD(0.05), "batch_size": 8, "max_steps": 3}
    whole, cut = (
        bf.train(model, data, engine=ReferenceEngine(exact=True, cache_bytes=cap), **settings) for cap in (0, 2**26)
    )
    assert whole.model.hash == cut.model.hash != model.hash
    assert cut.forwards < whole.forwards  # the nodes before it are cut, as ever


@pytest.mark.parametrize("forward", [rising, by_features, centred])
@pytest.mark.parametrize("last", [[], [bf.Tanh(), bf.Linear(1)]])
def test_structured_probes_run_it_whole_too(forward, last):
    """They move some units at a time, of as many entries at once as the layer has inputs: here 4, like its outputs."""
    model = bf.Sequential(4, [bf.Linear(4), bf.elementwise_op("own", forward, ones), *last], seed=1)
    data = floats(1, 4, 4), floats(2, 4, model.graph.output.size)
    settings = {"loss": "mse", "update": bf.SGD(1.0), "batch_size": 4, "max_steps": 1, "engine": "exact"}
    one, other = (
        bf.train(model, data, estimator=estimator, **settings).model.theta - model.theta
        for estimator in (bf.CGE(mu=2.0**-7), bf.StructuredCGE(mu=2.0**-7))
    )
    np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-3 * abs(one).max())


# ---- What it writes on, and what it gives ----


def clipped_in_place(site, arithmetic, parameters, inputs):
    values = inputs[0]
    values[values < 0] = 0
    return values


def forgetful(site, arithmetic, parameters, inputs):
    parameters[0][:] = 0
    return inputs[0]


SCALES = bf.Parameters(lambda site: [("w", (2,))], lambda site, draw, gain: [np.ones(2, "f4")])
WRITERS = [own(clipped_in_place), bf.elementwise_op("own", clipped_in_place, ones), own(forgetful, parameters=SCALES)]


@pytest.mark.parametrize("op", WRITERS)
@pytest.mark.parametrize("engine", ["reference", "exact"])
def test_one_that_writes_on_what_it_is_given_is_refused(op, engine):
    models = [bf.Sequential(3, [op, bf.Linear(1)], seed=1), bf.Sequential(3, [bf.Residual(op), bf.Linear(1)], seed=1)]
    x, y = floats(1, 16, 3), floats(2, 16, 1)
    for model in models:
        before = model.hash, x.copy()
        with pytest.raises(ValueError, match=r"^op: expected forward of 'own' to copy what it writes on, .* read-only"):
            model.predict(x[:1], engine)
        for estimator in (bf.RGE(4), bf.CGE()):
            with pytest.raises(ValueError, match=r"^op: .* 'own' .* read-only"):
                bf.train(model, (x, y), loss="mse", estimator=estimator, engine=engine, max_steps=1, batch_size=16)
        assert model.hash == before[0]
        np.testing.assert_array_equal(x, before[1])


def test_an_input_that_is_handed_on_becomes_the_callers_own():
    x = floats(1, 1, 3)
    y = bf.Sequential(3, [own()]).predict(x)
    y += 1
    np.testing.assert_array_equal(x, floats(1, 1, 3))


@pytest.mark.parametrize(("forward", "got"), [
    (lambda site, arithmetic, parameters, inputs: inputs[0] * 1j, r"got complex64 of shape \(4, 5\)"),
    (lambda site, arithmetic, parameters, inputs: inputs[0].astype(str), r"got <U32 of shape \(4, 5\)"),
    (lambda site, arithmetic, parameters, inputs: None, r"got object of shape \(\)"),
    (lambda inputs: inputs, "got TypeError: .*positional argument"),
    (lambda site, arithmetic, parameters, inputs: 1 / 0, "got ZeroDivisionError: division by zero"),
])  # fmt: skip
def test_what_it_gives_are_real_numbers(forward, got):
    with pytest.raises(ValueError, match=rf"^op: expected forward of 'own' to .*, {got}"):
        network(own(forward)).predict(floats(1, 5, 3))


# ---- Names ----


def leaky(slope):
    def forward(site, arithmetic, parameters, inputs):
        return np.where(inputs[0] > 0, inputs[0], inputs[0].dtype.type(slope) * inputs[0])

    return own(forward, "leaky")


def test_two_ops_of_one_name_are_refused_where_they_meet():
    """A file and a hash have the name only, and would take either for the other."""
    one, other = leaky(0.1), leaky(-5.0)
    both = r"^ops: expected one of the name 'leaky' in a model, got two that differ: give each a name of its own, or "
    model = bf.Sequential(3, [bf.Linear(3), one, bf.Linear(3)])
    calls = [
        lambda: bf.Sequential(3, [bf.Linear(3), one, bf.Linear(3), other]),
        lambda: bf.Sequential(3, [model, other]),
        lambda: model.replace("linear3", [bf.Linear(3), other]),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=both):
            call()
    assert len(bf.Sequential(3, [model, one, model]).rows()) == 7
    assert len(bf.Sequential(3, [own(), own()]).rows()) == 2  # made twice of the same functions
    assert len(model.replace("leaky2", [other]).rows()) == 3  # the first is gone


def with_parameters(*rows, values=(), name="own"):
    return own(name=name, parameters=bf.Parameters(lambda site: rows, lambda site, draw, gain: values))


@pytest.mark.parametrize(("rows", "message"), [
    ([("w", (2,)), ("w", (2,))], "expected names to be unique, got 'w' twice"),
    ([("b.c", (2,))], "expected names such as 'weight', without a dot, got 'b.c'"),
    ([("", (2,))], "expected names such as .* got ''"), ([(3, (2,))], "expected names such as .* got 3"),
    (["w"], r"expected rows to give a list of \(name, shape\), got \('w',\)"),
    *(([("w", shape)], rf"'w': expected a shape such as \(4,\), of integers >= 1, got {got}")
      for shape, got in (((-2,), r"\(-2,\)"), ((0,), r"\(0,\)"), ((2.5,), r"\(2.5,\)"), (2, "2"), (None, "None"))),
])  # fmt: skip
def test_parameters_have_names_and_shapes(rows, message):
    with pytest.raises((TypeError, ValueError), match=f"^parameters of op 'own': {message}"):
        network(with_parameters(*rows))


def test_a_node_may_have_the_name_of_a_parameter():
    """As importers bring it: names of parameters end behind a dot, so that theirs are still their own."""
    linear = {"outputs": 3, "bias": True}
    rows = [("linear", "a", ["input"], linear), ("linear", "a.bias", ["a"], linear)]
    model = bf.Sequential(3, [bf.Linear(3)]).replace("linear1", rows)
    names = ["a.weight", "a.bias", "a.bias.weight", "a.bias.bias"]
    assert list(model.parameters()) == names and model.freeze("a.bias").graph.n_frozen == 3


# ---- Shapes and first values ----


@pytest.mark.parametrize("shape", [(0,), (-2,), (2.5,), 4, None, "4"])
def test_infer_gives_a_shape(shape):
    message = r"^node 'own2': own: infer: expected a shape such as \(4,\), of integers >= 1, got "
    with pytest.raises(ValueError, match=message):
        network(own(infer=lambda attributes, shapes: shape))


def test_sizes_of_numpy_are_sizes():
    model = network(own(infer=lambda attributes, shapes: (np.int64(4),)))
    assert type(model.graph.nodes[1].site.output_shape[0]) is int


@pytest.mark.parametrize(("values", "got"), [
    ([np.ones(3)], r"\['float64 of shape \(3,\)'\]"), ([], "none"), (None, r"\['object .*"),
    ([np.ones(2)] * 2, r"\['float64 .*, 'float64 .*'\]"), ([np.ones(2) * 1j], r"\['complex128 of shape \(2,\)'\]"),
    (["1"], r"\['<U1 of shape \(\)'\]"),
])  # fmt: skip
def test_first_values_fit_their_shapes(values, got):
    message = rf"^parameters of op 'own': expected initialise to give real numbers of shapes \[\(2,\)\], got {got}"
    with pytest.raises(ValueError, match=message):
        network(with_parameters(("w", (2,)), values=values))


def test_a_number_fills_a_parameter():
    model = network(with_parameters(("w", (2,)), values=[0.5]))
    assert model.parameters()["own2.w"].tolist() == [0.5, 0.5]


def test_parameters_are_parameters():
    with pytest.raises(TypeError, match=r"^Op 'own': expected Parameters\(rows, initialise\) as `parameters`, got <f"):
        own(parameters=lambda site: [("w", (2,))])


# ---- Derivatives ----


def writes_derivative(site, arithmetic, x, y):
    x[x < 0] = 0
    return x


@pytest.mark.parametrize(("derivative", "message"), [
    (writes_derivative, "to copy what it writes on, .* got ValueError: .* read-only"),
    (lambda site, arithmetic, x, y: None, r"to give real numbers of shape \(4, 4\), got object of shape \(\)"),
    (lambda site, arithmetic, x, y: x * 1j, "to give real numbers .*, got complex64"),
    (lambda site, arithmetic, x, y: x[0], r"to give real numbers .*, got float32 of shape \(4,\)"),
    (lambda x: x, r"to give numbers of \(site, arithmetic, x, y\), got TypeError"),
])  # fmt: skip
def test_a_derivative_reads_only_and_is_real_numbers(derivative, message):
    op, data = bf.elementwise_op("own", identity, derivative), (floats(1, 4, 3), floats(2, 4, 1))
    with pytest.raises(ValueError, match=f"^op: expected derivative of 'own' {message}"):
        bf.train(network(op), data, loss="mse", estimator=bf.UnitWise(), batch_size=4, max_steps=1)
