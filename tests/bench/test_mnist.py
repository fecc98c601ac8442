"""The benchmarks of forward-only training against back-propagation, and the rival itself against another autograd."""

import sys

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

import bpfree as bf
from bpfree.bench import BENCHES, contest, mnist_deep, mnist_dense, mnist_tt, run
from bpfree.bench.contest import Contest, Method, Recipe, run_contest
from bpfree.bench.rows import FIELDS
from bpfree.datasets import load_digits
from bpfree.estimators import ESTIMATORS

CONTESTS = {module.CONTEST.bench: module for module in (mnist_tt, mnist_dense, mnist_deep)}


def tensor_trains(seed=0):
    """Return a network 36 -> 24 -> 6 of trains of four and of three cores, with a ReLU and biases that are not 0."""
    layers = [bf.TTLinear((2, 3, 2, 3), (3, 2, 2, 2), rank=3), bf.ReLU(), bf.TTLinear((4, 2, 3), (1, 3, 2), rank=2)]
    return shaken(bf.Sequential(36, layers, seed=seed))


def dense(seed=0):
    """Return a dense network 36 -> 24 -> 24 -> 6."""
    layers = [bf.Linear(24), bf.ReLU(), bf.Linear(24), bf.ReLU(), bf.Linear(6)]
    return shaken(bf.Sequential(36, layers, seed=seed))


def shaken(model):
    noise = np.random.default_rng(7).normal(0, 0.1, model.theta.size)
    return bf.Model(model.graph, model.theta + noise.astype(np.float32))


def outputs(model, theta, x):
    """Return the outputs of a network, written again from the definition for HIPS autograd."""
    parts = [theta[s.range].reshape(s.shape) for s in model.graph.slices]
    for node in model.graph.nodes:
        own = [parts[number] for number in node.slices]
        if node.op.name == "relu":
            x = anp.maximum(x, 0)
        elif node.op.name == "linear":
            x = anp.dot(x, own[0].T) + own[1]
        else:
            *cores, bias = own
            rule = {4: "aiob,bjpc,ckqd,dlre->ijklopqr", 3: "aiob,bjpc,ckqd->ijkopq"}[len(cores)]
            x = anp.dot(x, anp.einsum(rule, *cores).reshape(x.shape[1], bias.size)) + bias
    return x


def loss(theta, model, x, labels):
    y = outputs(model, theta, x)
    return anp.mean(anp.log(anp.sum(anp.exp(y), axis=1)) - y[anp.arange(len(x)), labels])


def gradient(model, theta, x, labels):
    return grad(loss)(theta.astype(np.float64), model, x.astype(np.float64), labels)


@pytest.fixture
def samples():
    rng = np.random.default_rng(3)
    return rng.random((40, 36), np.float32), rng.integers(0, 6, 40)


@pytest.mark.parametrize(
    ("network", "way"), [(dense, None)] + [(tensor_trains, w) for w in ("sweep", "halves", "dense", None)]
)
def test_first_loss_and_gradient_of_the_rival(network, way, samples):
    torch = pytest.importorskip("torch")
    from bpfree.bench.backprop import WAYS, Backprop

    x, labels = samples
    model = network()
    rival = Backprop(model, len(x), way)
    value = rival.loss(torch.from_numpy(x), torch.from_numpy(labels))
    value.backward()
    ours = [part.grad.numpy().ravel() for part in rival.parameters]
    assert float(value.detach()) == pytest.approx(float(loss(model.theta.astype(float), model, x, labels)), rel=1e-5)
    expected = gradient(model, model.theta, x, labels)
    assert np.abs(np.concatenate(ours) - expected).max() < 1e-5 * np.abs(expected).max()
    assert (rival.model().theta == model.theta).all()
    assert np.allclose(rival.outputs(torch.from_numpy(x)).detach(), model.predict(x), rtol=0, atol=1e-5)
    if network is tensor_trains:
        assert len(rival.ways.split(", ")) == 2 and set(rival.ways.split(", ")) <= ({way} if way else set(WAYS))


@pytest.mark.parametrize("network", [dense, tensor_trains])
def test_the_rival_walks_the_steps_of_our_adam(network, samples):
    pytest.importorskip("torch")
    from bpfree.bench.backprop import Backprop

    (x, labels), model, steps = samples, network(), 6
    order = np.random.default_rng(5).integers(0, len(x), (steps, 10))
    schedule = bf.cosine_decay(0.01, steps=steps)
    rival = Backprop(model, 10)
    seen = []
    rival.train(
        (x, labels), order, np.array([schedule.value(t) for t in range(steps)]), lambda *told: seen.append(told)
    )
    adam, theta = bf.Adam(schedule), model.theta.astype(np.float64)
    state = adam.init(theta)
    for step, chosen in enumerate(order):
        assert seen[step][0] == step
        assert float(seen[step][1]) == pytest.approx(float(loss(theta, model, x[chosen], labels[chosen])), rel=1e-4)
        theta, state = adam.update(gradient(model, theta, x[chosen], labels[chosen]), state, theta, step)
    assert np.abs(theta - model.theta).max() > 0.02
    # Adam divides by |g|, so rounding of a gradient near zero moves that element by a part of a step.
    assert np.quantile(np.abs(rival.model().theta - theta), 0.98) < 1e-4


def test_a_layer_that_the_rival_lacks_is_refused():
    pytest.importorskip("torch")
    from bpfree.bench.backprop import Backprop

    with pytest.raises(ValueError, match="got tanh"):
        Backprop(bf.Sequential(4, [bf.Linear(3), bf.Tanh()]), 2)


def small(**changes):
    """Return a contest on the digits that takes a moment."""
    settings = {
        "bench": "digits",
        "network": lambda seed: bf.Sequential(64, [bf.Linear(16), bf.ReLU(), bf.Linear(10)], seed=seed),
        "recipe": Recipe(batch_size=20, lr=1e-2, epochs=3),
        "methods": (Method("rge", bf.RGE(n_queries=8)), Method("slow", bf.RGE(), Recipe(10, 1e-9, epochs=1))),
        "best": "rge",
        "black_box": "rge",
    }
    return Contest(**{**settings, **changes})


@pytest.fixture
def digits(monkeypatch):
    monkeypatch.setattr(contest, "load_mnist", load_digits)
    return load_digits()


def by_case(rows):
    found = {(r["case"], r["metric"]): r for r in rows}
    assert len(found) == len(rows), "one row per case and metric"
    assert all(tuple(r) == FIELDS for r in rows)
    return found


def test_rows_of_a_contest(digits):
    pytest.importorskip("torch")
    rows = by_case(run_contest(small()))
    assert {case for case, _ in rows} == {
        "digits",
        "black-box",
        *(f"digits/{n}" for n in ("backprop", "rge", "slow", "floor")),
    }
    for metric in contest.UNITS:
        best, same = rows["digits", metric], rows["digits/rge", metric]
        assert (best["value"], best["std"], best["seeds"]) == (same["value"], same["std"], 3)
    for metric in contest.COMPARED:
        r = rows["digits/rge", metric]
        assert r["reference"] == "digits/backprop"
        assert r["ratio"] == r["value"] / rows["digits/backprop", metric]["value"]
    assert rows["digits/rge", "forwards"]["reference"] == "black-box"
    assert rows["digits", "forwards"]["reference"] == "rge, black-box"
    assert rows["digits/backprop", "forwards"]["reference"] == "back-propagation (no tensor trains)"
    assert rows["digits/backprop", "test_accuracy"]["value"] > 0.85
    assert rows["digits/rge", "test_accuracy"]["value"] > rows["digits/slow", "test_accuracy"]["value"] + 0.2
    steps = 3 * (len(digits.train.x) // 20)
    assert rows["digits/rge", "evaluations"]["value"] == 16 * steps
    assert rows["digits/rge", "forwards"]["value"] == 16 * 20 * steps
    products = 2 * (64 * 16 + 16 * 10) + 16 * 10  # the way back needs no derivatives by the pixels
    assert rows["digits/backprop", "forwards"]["value"] == round(20 * steps * products / (64 * 16 + 16 * 10))
    assert rows["digits/floor", "test_accuracy"]["seeds"] == 3
    assert {case for case, metric in rows if metric == "forwards"} == {case for case, _ in rows}
    floor, n = rows["digits/floor", "forwards"], len(digits.train.x)
    assert floor["reference"] == "closed-form"
    assert floor["value"] == round((n * (64 * 16 + 16 * 26) + 9 * 16**3 / 2) / (64 * 16 + 16 * 10))


def test_both_sides_start_alike_and_see_the_same_minibatches(digits, monkeypatch):
    """Methods are recorded by their input: initial theta, and the samples of every step."""
    pytest.importorskip("torch")
    from bpfree.bench import backprop

    starts, orders, batches = [], [], []
    real = backprop.Backprop

    class Spy(real):
        def __init__(self, model, batch):
            starts.append(model.hash)
            super().__init__(model, batch)

        def train(self, data, order, *rest):
            orders.extend(order.tolist())
            return super().train(data, order, *rest)

    def spy(model, data, *, batch_size, max_steps, seed, **rest):
        starts.append(model.hash)
        trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.RGE(), bf.SGD(), batch_size, seed)
        batches.extend(trainer.indices(step, len(data[0])).tolist() for step in range(max_steps))
        return bf.train(model, data, batch_size=batch_size, max_steps=max_steps, seed=seed, **rest)

    monkeypatch.setattr(backprop, "Backprop", Spy)
    monkeypatch.setattr(contest, "train", spy)
    run_contest(small(methods=(Method("rge", bf.RGE()),)))
    assert starts[:3] == starts[3:] and len(set(starts)) == 3
    assert orders == batches


def test_without_torch_a_row_says_so(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "bpfree.bench.backprop", raising=False)
    monkeypatch.delattr("bpfree.bench.backprop", raising=False)
    rows = by_case(run_contest(small(), quick=True))
    r = rows["digits/backprop", "test_accuracy"]
    assert (r["value"], r["ratio"], r["seeds"], r["reference"]) == (None, None, 0, "missing: torch")
    ours = rows["digits", "test_accuracy"]
    assert ours["value"] > 0 and ours["ratio"] is None and ours["reference"] is None and ours["seeds"] == 1


def test_a_run_that_fails_has_no_numbers(digits):
    diverges = Method("wild", bf.RGE(), Recipe(20, 1e38, epochs=1, update=bf.SGD))
    rows = by_case(run_contest(small(methods=(diverges,), best="wild", black_box=None), quick=True))
    for case in ("digits", "digits/wild"):
        r = rows[case, "test_accuracy"]
        assert r["value"] is None and r["reference"].startswith("seed 1: step ")


@pytest.mark.parametrize("name", CONTESTS)
def test_tables_of_methods(name):
    table = CONTESTS[name].CONTEST
    names = [method.name for method in table.methods]
    assert name in BENCHES and len(set(names)) == len(names) and not set(names) & {"backprop", "floor"}
    assert table.best in names and table.black_box in (None, *names)
    for method in table.methods:
        assert method.tier == ESTIMATORS.of(method.estimator).tier
        if method.name == table.black_box:
            assert method.tier == "black-box"


def test_the_networks_are_the_published_ones():
    sizes = {name: module.network(1).graph.n_theta for name, module in CONTESTS.items()}
    deep = 784 * 256 + 256 + 2 * (256 * 256 + 256) + 256 * 10 + 10
    assert sizes == {"mnist-tt": 3962, "mnist-dense": 814_090, "mnist-deep": deep}


@pytest.mark.data("mnist")
def test_quick_bench_of_the_tensor_trains():
    rows = by_case(run("mnist-tt", quick=True))
    assert rows["mnist-tt/floor", "test_accuracy"]["value"] > 0.8
    assert all(r["seeds"] <= 1 for r in rows.values())
