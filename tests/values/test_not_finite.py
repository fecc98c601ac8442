"""Values that are not finite: what a prediction makes of them, and who refuses them or says so."""

import helpers
import numpy as np
import pytest
from command_line import run
from numpy.testing import assert_array_equal

import bpfree as bf
from bpfree.datasets import load_digits

DIGITS = load_digits("test")
BAD = (np.nan, np.inf, -np.inf)
ENGINES = ["reference", *helpers.ENGINES]
LAYERS = {
    "dense": [bf.Linear(32), bf.ReLU(), bf.Linear(10)],
    "tensor train": [bf.TTLinear((8, 8), (4, 8), rank=3), bf.Tanh(), bf.Linear(10), bf.Softmax()],
}


def engine(name):
    return bf.engines.ReferenceEngine() if name == "reference" else helpers.make_engine(name)


def spoilt(value=np.nan):
    model = bf.Sequential(64, LAYERS["dense"])
    model.theta[3] = value
    return model


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_nan_in_a_sample_becomes_nan_of_that_sample_alone(layers, name):
    model, x = bf.Sequential(64, layers), DIGITS.x[:100].copy()
    clean = model.predict(x, engine(name))
    x[[0, 41, 99], [0, 33, 63]] = np.nan
    found = model.predict(x, engine(name))
    bad = np.isin(np.arange(100), (0, 41, 99))
    assert np.isnan(found[bad]).all() and np.isfinite(found[~bad]).all()
    if name != "reference":  # BLAS sums as it likes
        assert_array_equal(found[~bad], clean[~bad])


@pytest.mark.parametrize("name", ENGINES)
def test_a_model_with_nan_predicts_nan(name):
    assert np.isnan(spoilt().predict(DIGITS.x[:5], engine(name))).all()


@pytest.mark.parametrize("value", BAD)
def test_no_accuracy_of_a_model_or_of_samples_that_are_not_finite(value):
    for model in (spoilt(value), spoilt(value).freeze("*.weight")):
        with pytest.raises(ValueError, match="^model: expected finite parameters, got 1 in linear1.weight"):
            model.accuracy(*DIGITS)
    x = DIGITS.x.copy()
    x[7, 7] = value
    with pytest.raises(ValueError, match="^x: expected finite float32 numbers, got others in 1 rows, first 7"):
        bf.Sequential(64, LAYERS["dense"]).accuracy(x, DIGITS.labels)


def test_no_accuracy_where_an_output_is_nan():
    model = bf.Sequential(64, LAYERS["dense"])
    model.theta *= 1e30  # finite, and infinity less infinity on the way
    with pytest.raises(ValueError, match="^outputs: expected numbers, got NaN in 300 of 300 samples, first 0"):
        model.accuracy(*DIGITS)


@pytest.mark.parametrize("value", BAD)
def test_no_training_of_a_model_or_on_targets_that_are_not_finite(value):
    for model in (spoilt(value), spoilt(value).freeze("linear1.weight")):
        with pytest.raises(ValueError, match="^model: expected finite parameters"):
            bf.train(model, DIGITS, max_steps=1)
        with pytest.raises(ValueError, match="^model: expected finite parameters"):
            bf.fit_head(model, DIGITS, ridge=1.0)
    targets = np.eye(10)[DIGITS.labels]
    targets[5, 5] = value
    model, data = bf.Sequential(64, LAYERS["dense"]), (DIGITS.x, targets)
    for call in (lambda: bf.train(model, data, loss="mse", max_steps=1), lambda: bf.fit_head(model, data, ridge=1)):
        with pytest.raises(ValueError, match="^y: expected finite float32 numbers, got others in 1 rows, first 5"):
            call()


def test_a_validation_whose_outputs_are_nan_has_no_accuracy():
    def grow(step, run):
        run.model.theta *= 1e30
        return False

    model = bf.Sequential(64, LAYERS["dense"])
    run = bf.train(model, DIGITS, validation=DIGITS, callbacks=grow, max_steps=1)
    assert [step for step, _ in run.validation] == [1] and np.isnan(run.validation[0][1]) and run.best is None


def test_exports_refuse_a_model_that_is_not_finite(tmp_path):
    model = spoilt()
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.RGE(), bf.SGD(0.1), batch_size=1)
    with pytest.raises(ValueError, match="^model: expected finite parameters"):
        bf.exporters.firmware.export(model, tmp_path / "fw", trainer=trainer)
    with pytest.raises(ValueError, match="^model: expected finite parameters"):
        bf.exporters.onnx.export(model, tmp_path / "a.onnx")
    fine, bad = bf.Sequential(64, LAYERS["dense"]), DIGITS.x[:9].copy()
    bad[2] = np.nan
    with pytest.raises(ValueError, match="^samples.rows: expected finite"):
        samples = bf.exporters.firmware.Samples(bad, labels=DIGITS.labels[:9])
        bf.exporters.firmware.export(fine, tmp_path / "fw", trainer=trainer, samples=samples)
    assert not list(tmp_path.iterdir())


def test_the_command_line_says_it(tmp_path):
    spoilt().save(tmp_path / "bad.npz")
    told = run("evaluate", tmp_path / "bad.npz", "digits")
    assert told.exit_code == 2 and "expected finite parameters, got 1 in linear1.weight that are not" in told.stderr
    told = run("info", tmp_path / "bad.npz")
    assert told.exit_code == 0 and "NaN or infinite" in told.stdout
    large = bf.Sequential(64, LAYERS["dense"])
    large.theta *= 1e30
    large.save(tmp_path / "large.npz")
    assert "NaN or infinite" not in run("info", tmp_path / "large.npz").stdout
    told = run("evaluate", tmp_path / "large.npz", "digits", "--split", "test")
    assert "300 of 300 samples have outputs that are NaN" in told.stdout and "%" not in told.stdout.split("class")[0]


def test_scikit_learn_refuses_as_its_own_estimators_do():
    sklearn = pytest.importorskip("bpfree.sklearn")
    x, y = DIGITS.x.copy(), DIGITS.labels
    fitted = sklearn.Classifier(max_iter=1).fit(x, y)
    x[3, 3] = np.nan
    for call in (lambda: fitted.predict(x), lambda: sklearn.Classifier().fit(x, y), lambda: fitted.score(x, y)):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            call()
    fitted.model_.theta[0] = np.nan
    with pytest.raises(ValueError, match="^outputs: expected numbers, got NaN in 300 of 300"):
        fitted.predict(DIGITS.x)


@pytest.mark.parametrize("engine", ["compiled", "exact", "reference"])
@pytest.mark.parametrize("estimator", [bf.RGE(8), bf.CGE()], ids=lambda e: type(e).__name__)
def test_the_mean_of_finite_losses_is_finite_and_no_warning(engine, estimator):
    """Losses near 1e36, whose sum has no place in float32."""
    x = np.sign(np.random.default_rng(0).normal(size=(1024, 4))).astype("f4") * np.float32(1e18)
    run = bf.train(bf.Sequential(4, [bf.Linear(1)], seed=1), (x, x[:, :1]), loss="mse", batch_size=1024, max_steps=2,
                   validation=(x, x[:, :1]), estimator=estimator, update=bf.SGD(1.2e-38), engine=engine)  # fmt: skip
    assert run.steps == 2 and np.isfinite([*run.losses, run.history[-1].value]).all() and run.losses[0] > 3.5e38 / 1024


@pytest.mark.parametrize("dtype, size", [("f4", 3e38), ("f8", 1.7e308)])
def test_told_losses_that_are_finite_are_no_warning(dtype, size):
    ask = bf.RGE(n_queries=4).start(np.zeros(3, dtype), update=bf.SGD(1e-30))
    ask.tell(np.full(ask.n_probes, size, dtype))
    assert ask.step == 1 and (ask.loss == np.float32(size) if dtype == "f4" else ask.loss > 1e308)
