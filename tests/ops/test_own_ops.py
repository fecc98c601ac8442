"""Operations of one's own: rows without a number sit in the node, run on the reference, and are refused elsewhere."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
from helpers import floats

import bpfree as bf
from bpfree.engines import CompiledEngine, ReferenceEngine
from bpfree.graph.c_tables import model_tables
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.ops import OPS
from bpfree.ops.table import Op, Parameters, elementwise_op


def softplus(site, arithmetic, parameters, inputs):
    return arithmetic.log1p(arithmetic.exp(inputs[0]))


def logistic(site, arithmetic, x, y):
    return arithmetic.sigmoid(x)


def mixed_shape(attributes, shapes):
    (wide,), (m,), scale = shapes
    if wide != attributes["rows"] * m or scale != (1,):
        raise ValueError(f"mix: expected (rows m,), (m,) and (1,), got {list(shapes)}")
    return (attributes["rows"],)


def mixed(site, arithmetic, parameters, inputs):
    """y = s * (X v) + c: three inputs of different shapes."""
    x, v, s = inputs
    products = arithmetic.dots(x.reshape(site.outputs, len(v), -1), v[None])
    return s * products + parameters[0][:, None]


def shift(site):
    return [("shift", site.output_shape)]


def zeros(site, draw, gain):
    return [np.zeros(site.output_shape, np.float32)]


def products(site):
    return site.features


SOFTPLUS = elementwise_op("softplus", softplus, logistic)
MIX = Op(
    name="mix",
    arity=3,
    attributes=("rows",),
    infer=mixed_shape,
    forward=mixed,
    macs=products,
    parameters=Parameters(shift, zeros),
)


@dataclass(frozen=True)
class Softplus:
    def node(self, shape):
        return SOFTPLUS, {}


def own_model():
    rows = [
        ("linear", "a", ["input"], {"outputs": 6, "bias": True}),
        (SOFTPLUS, "h", ["a"], {}),
        ("parameter", "v", [], {"shape": [5]}),
        ("parameter", "s", [], {"shape": [1]}),
        ("linear", "wide", ["h"], {"outputs": 15, "bias": False}),
        (MIX, "y", ["wide", "v", "s"], {"rows": 3}),
    ]
    graph = assemble([4], rows)
    theta, frozen = initial_parameters(graph, 1)
    return bf.Model(graph, theta + floats(1, theta.size, scale=0.3), frozen)


def test_its_values_are_those_of_its_formula():
    model, x = own_model(), floats(2, 7, 4)
    p = {name: value.astype(float) for name, value in model.parameters().items()}
    h = np.log1p(np.exp(x @ p["a.weight"].T + p["a.bias"]))
    wide = (h @ p["wide.weight"].T).reshape(-1, 3, 5)
    expected = p["s.value"] * (wide @ p["v.value"]) + p["y.shift"]
    np.testing.assert_allclose(model.predict(x, "reference"), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(x, "exact"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("estimator", [bf.RGE(8), bf.CGE(), bf.Hybrid(20)])
def test_it_trains_on_the_reference_engine(estimator):
    model, x = own_model(), floats(2, 64, 4)
    y = np.stack([x[:, 0], x[:, 1] * x[:, 2], x[:, 3]], axis=1)
    run = bf.train(model, (x, y), loss="mse", estimator=estimator, update=bf.Adam(0.02), batch_size=16, max_steps=60,
                   engine="reference")  # fmt: skip
    assert run.losses[-1] < 0.7 * run.losses[0]
    assert not np.array_equal(run.model.parameters()["y.shift"], model.parameters()["y.shift"])
    again = bf.replay(run.journal, run.trainer, model.theta, "reference")
    np.testing.assert_array_equal(again, run.model.theta)


def test_layers_of_ones_own_stand_in_a_list():
    model = bf.Sequential(3, [bf.Linear(4), Softplus(), bf.Residual(bf.Linear(4), Softplus()), bf.Linear(2)])
    assert [node.name for node in model.graph.nodes][:2] == ["linear1", "softplus2"]
    assert '"op":"softplus"' in model.graph.to_json()
    x, y = floats(1, 30, 3), np.arange(30) % 2
    for estimator in (bf.UnitWise(), bf.NodePerturbation(), bf.StructuredCGE()):  # elementwise: it has a derivative
        assert bf.train(model, (x, y), estimator=estimator, batch_size=5, max_steps=2, engine="reference").steps == 2


REASON = "softplus has no C kernel: of one's own, and so not in C: it runs on the \"reference\" or \"exact\" engine"


def test_what_runs_in_c_refuses_it_by_name(tmp_path):
    model, x = bf.Sequential(3, [bf.Linear(4), Softplus(), bf.Linear(2)]), floats(1, 8, 3)
    run = bf.train(model, (x, np.arange(8) % 2), batch_size=4, max_steps=1, engine="reference")
    refused = [
        lambda: CompiledEngine().predict(model.graph, model.theta, model.frozen, x),
        lambda: model_tables(model.graph),
    ]
    for call in refused:
        with pytest.raises(ValueError, match=f"node 'softplus2': {REASON}"):
            call()
    named = [
        lambda: CompiledEngine().apply(run.trainer, model.theta, [], 0, np.ones((1, 1), np.float32)),
        lambda: model.predict(x, "compiled"),
        lambda: bf.exporters.firmware.export(model, tmp_path / "firmware", trainer=run.trainer),
    ]
    for call in named:
        with pytest.raises(ValueError, match=r"^(engine|trainer): expected .* node 'softplus2' \(softplus\)"):
            call()
    with pytest.raises(ValueError, match=r"'softplus2' \(softplus\): expected an operation that has nodes of ONNX"):
        bf.exporters.onnx.export(model, tmp_path / "m.onnx")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("changes", [{"number": 1, "c": "bpfree_op_tt_linear"}, {"number": 99, "c": "bpfree_op_x"}])
def test_a_number_from_outside_indexes_no_table(changes):
    graph = assemble([3], [(replace(SOFTPLUS, **changes), "h", ["input"], {})])
    with pytest.raises(ValueError, match="node 'h': softplus has no C kernel: it is no row of the table"):
        CompiledEngine().predict(graph, np.zeros(0, np.float32), np.zeros(0, np.float32), floats(1, 2, 3))


@pytest.mark.parametrize("estimator", [bf.UnitWise(), bf.NodePerturbation(), bf.StructuredCGE()])
def test_estimators_that_look_into_layers_refuse_parameters_they_know_nothing_of(estimator):
    model, x = own_model(), floats(2, 8, 4)
    with pytest.raises(ValueError, match=r"node 'y' \(mix\): expected .* a black-box estimator such as bpfree.RGE"):
        bf.train(model, (x, floats(3, 8, 3)), loss="mse", estimator=estimator, batch_size=4, max_steps=1,
                 engine="reference")  # fmt: skip


class Steady(bf.pde.Problem):
    """u_xx = -pi^2 sin(pi x)."""

    domain = bf.pde.Box(x=(0, 1))
    conditions = [bf.pde.Dirichlet("x", 0.0)]

    def residual(self, u, c):
        return u.xx + np.pi**2 * np.sin(np.pi * c.x)


def cube(site, arithmetic, parameters, inputs):
    return inputs[0] * inputs[0] * inputs[0]


CUBE = Op(name="cube", infer=lambda attributes, shapes: shapes[0], forward=cube, macs=products)


def test_derivatives_go_through_what_says_how():
    """Elementwise with a derivative and a curvature: Taylor and units, as for any op."""
    curved = elementwise_op("softplus", softplus, logistic,
                            curvature=lambda site, arithmetic, x, y: logistic(site, arithmetic, x, y)
                            * (1 - logistic(site, arithmetic, x, y)))  # fmt: skip
    graph = assemble([1], [("linear", "a", ["input"], {"outputs": 20, "bias": True}), (curved, "h", ["a"], {}),
                           ("linear", "y", ["h"], {"outputs": 1, "bias": True})])  # fmt: skip
    model = bf.Model(graph, floats(5, graph.n_theta, scale=2.0))
    found = bf.pde.solve(Steady(), model, points=60, max_steps=60)
    x = np.linspace(0, 1, 50)[:, None]
    assert np.abs(found.predict(x)[:, 0] - np.sin(np.pi * x[:, 0])).max() < 0.02


def test_pde_refuses_an_op_without_a_jet_by_name_and_shifted_points_do_not_need_one():
    graph = assemble([1], [("linear", "a", ["input"], {"outputs": 12, "bias": True}), (CUBE, "h", ["a"], {}),
                           ("linear", "y", ["h"], {"outputs": 1, "bias": True})])  # fmt: skip
    model = bf.Model(graph, floats(6, graph.n_theta))
    with pytest.raises(ValueError, match=r"node 'h' \(cube\): expected an operation that derivatives go through"):
        bf.pde.solve(Steady(), model, rule=bf.pde.Taylor(), points=20, max_steps=1)
    with pytest.raises(ValueError, match="is neither elementwise nor affine"):
        bf.pde.solve(Steady(), model, rule=bf.pde.Differences(), points=20, max_steps=1,
                     method=bf.LevenbergMarquardt(route="structured"))  # fmt: skip
    found = bf.pde.solve(Steady(), model, rule=bf.pde.Differences(), points=30, max_steps=25)
    assert found.history.losses[-1] < 0.1 * found.history.losses[0]


def test_the_compiled_engine_has_no_jet_of_an_op_without_one(monkeypatch):
    tanh = replace(OPS["tanh"], name="rigid", elementwise=None)
    graph = assemble([2], [(tanh, "h", ["input"], {})])
    streams = bf.pde.streams.Streams(np.eye(2))
    with pytest.raises(ValueError, match=r"node 'h' \(rigid\): expected an operation that derivatives go through"):
        CompiledEngine().jets(graph, np.zeros(0), np.zeros(0), floats(1, 2, 2), streams)


def test_rows_of_the_table_travel_by_their_name_and_others_as_they_are():
    for row in OPS:
        assert pickle.loads(pickle.dumps(row)) is row
    again = pickle.loads(pickle.dumps(SOFTPLUS))
    assert again.name == "softplus" and again.forward is softplus and again is not SOFTPLUS
    graph = pickle.loads(pickle.dumps(bf.Sequential(2, [bf.Linear(3), bf.ReLU()]).graph))
    assert graph.nodes[1].op is OPS["relu"] and graph == bf.Sequential(2, [bf.Linear(3), bf.ReLU()]).graph


def test_the_reference_in_float64_too():
    model, x = own_model(), floats(2, 7, 4)
    wide = model.predict(x, ReferenceEngine(dtype=np.float64))
    assert wide.dtype == np.float64
    np.testing.assert_allclose(wide, model.predict(x, "exact"), rtol=1e-4, atol=1e-5)


def test_shapes_are_checked_by_the_op_itself():
    rows = [("parameter", name, [], {"shape": shape}) for name, shape in (("x", [6]), ("v", [3]), ("s", [2]))]
    with pytest.raises(ValueError, match=r"mix: expected .* and \(1,\), got \[\(6,\), \(3,\), \(2,\)\]"):
        assemble([1], [*rows, (MIX, "y", ["x", "v", "s"], {"rows": 2})])
    with pytest.raises(ValueError, match="node 'y': mix expects 3 inputs, got 2"):
        assemble([1], [*rows, (MIX, "y", ["x", "v"], {"rows": 2})])


def test_surgery_and_freezing_keep_the_rows():
    """A row of one's own goes on as it is; frozen, it needs no `layer`, and unit-wise probes train what is round it."""
    model, x, y = own_model(), floats(2, 20, 4), np.arange(20) % 3
    values = {f"linear1.{part}": model.parameters()[f"a.{part}"] for part in ("weight", "bias")}
    replaced = model.replace("a", [bf.Linear(6)], values)
    for other in (model.freeze("y.*"), model.up_to("y"), bf.Sequential(4, [model]), replaced):
        assert MIX in [row.op for row in other.rows()]
        np.testing.assert_array_equal(other.predict(x, "exact"), model.predict(x, "exact"))
    settings = {"estimator": bf.UnitWise(), "update": bf.SGD(0.1), "max_steps": 3, "batch_size": 4, "engine": "exact"}
    with pytest.raises(ValueError, match=r"^node 'y' \(mix\): expected .* that has a `layer`.*or model.freeze\('y.\*'"):
        bf.train(model, (x, y), **settings)
    run = bf.train(model.freeze("y.*"), (x, y), **settings)
    after, before = run.model.parameters(), model.parameters()
    assert {name for name in before if (after[name] == before[name]).all()} == {"y.shift"}
