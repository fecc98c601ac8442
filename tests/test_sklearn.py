"""scikit-learn's own checks, and what they do not look at: learning untuned, the bits of train(), streams, errors."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import bpfree as bf

pytest.importorskip("sklearn", reason='scikit-learn missing: pip install "bpfree[sklearn]"')

from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from bpfree.sklearn import Classifier, Regressor

IRIS = datasets.load_iris(return_X_y=True)
DIABETES = datasets.load_diabetes(return_X_y=True)
QUICK = {"max_iter": 3, "estimator": bf.RGE(n_queries=2), "engine": "exact"}
"""Too little to learn much, which most tests below are not about, and a warning tells."""

pytestmark = pytest.mark.filterwarnings("ignore:.* is no better than .*:sklearn.exceptions.ConvergenceWarning")

NOT_TO_1E_7 = {
    "check_sample_weight_equivalence_on_dense_data": "a weight of 2 and a sample twice draw other minibatches; without"
    " minibatches they agree as far as float32 does: test_a_weight_of_2_is_the_sample_twice"
}


@parametrize_with_checks(
    [Classifier(max_iter=30), Regressor(max_iter=30)], expected_failed_checks=lambda estimator: NOT_TO_1E_7
)
def test_scikit_learns_checks(estimator, check):
    """All of them, with the one expected failure said above; fewer passes than the default to save time."""
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [Classifier(), Regressor()], ids=["classifier", "regressor"])
def test_scikit_learns_checks_with_default_settings(estimator):
    check_estimator(estimator, on_skip=None, expected_failed_checks=NOT_TO_1E_7)


def held_out(estimator, x, y, seed=0):
    """Score on a quarter that was not trained on."""
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, random_state=seed)
    return estimator.fit(x, y).score(x_test, y_test)


def test_learns_iris_untuned():
    assert held_out(Classifier(), *IRIS) > 0.92


def test_learns_diabetes_untuned():
    """A linear model explains 0.36 here; a constant 0."""
    assert held_out(Regressor(early_stopping=True), *DIABETES) > 0.2


def test_learns_wine_and_a_smooth_function_untuned():
    assert held_out(Classifier(), *datasets.load_wine(return_X_y=True)) > 0.92
    assert held_out(Regressor(), *datasets.make_friedman1(600, noise=0.5, random_state=0)) > 0.8


@pytest.mark.slow
def test_learns_digits_untuned():
    assert held_out(Classifier(), *datasets.load_digits(return_X_y=True)) > 0.95


def test_fit_is_train_on_standardised_inputs():
    x, y = IRIS
    fitted = Classifier((7,), activation="tanh", batch_size=40, random_state=5, **QUICK).fit(x, y)
    standard = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    model = bf.Sequential(4, [bf.Linear(7), bf.Tanh(), bf.Linear(3)], seed=5)
    update = bf.chain(bf.Adam(0.01), bf.WeightDecay(0.001))
    run = bf.train(
        model, (standard, y), estimator=QUICK["estimator"], update=update, batch_size=40, epochs=3, seed=5,
        engine="exact",
    )  # fmt: skip
    assert fitted.model_.hash == run.model.hash and fitted.loss_curve_ == run.losses and fitted.n_iter_ == 3
    scores = run.model.predict(standard, "exact").astype(float)
    assert np.array_equal(fitted.decision_function(x), scores)
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    assert np.allclose(fitted.predict_proba(x), odds / odds.sum(axis=1, keepdims=True), rtol=1e-12)
    assert np.array_equal(fitted.predict(x), scores.argmax(axis=1))


def test_a_regression_is_train_on_standardised_targets():
    x, y = DIABETES
    fitted = Regressor(layers=[bf.TTLinear(16, rank=2), bf.Tanh()], update=bf.SGD(0.05), **QUICK).fit(x, y)
    standard = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    target = (((y - y.mean()) / y.std())[:, None]).astype(np.float32)
    model = bf.Sequential(10, [bf.TTLinear(16, rank=2), bf.Tanh(), bf.Linear(1)], seed=0)
    run = bf.train(
        model, (standard, target), loss="mse", estimator=QUICK["estimator"], update=bf.SGD(0.05),
        batch_size=442 // 4, epochs=3, engine="exact",
    )  # fmt: skip
    assert fitted.model_.hash == run.model.hash
    expected = run.model.predict(standard, "exact")[:, 0].astype(float) * y.std() + y.mean()
    assert np.allclose(fitted.predict(x), expected, rtol=1e-12)


def test_several_targets():
    x = np.random.default_rng(0).normal(size=(300, 3))
    y = np.stack([x[:, 0] - x[:, 1], 100 + 50 * x[:, 2]], axis=1)
    model = Regressor(()).fit(x, y)
    assert model.predict(x).shape == (300, 2) and model.score(x, y) > 0.98
    assert Regressor((), **QUICK).fit(x, y[:, :1]).predict(x).shape == (300, 1)
    assert Regressor((), **QUICK).fit(x, y[:, 0]).predict(x).shape == (300,)


def test_inputs_that_do_not_vary_and_inputs_as_they_are():
    x = np.random.default_rng(0).normal(size=(80, 3))
    x[:, 1] = 1 / 3 + 1e8
    y = (x[:, 0] > 0).astype(int)
    fitted = Classifier().fit(x, y)
    assert fitted.scale_[1] == 1 and np.isfinite(fitted.predict_proba(x)).all() and fitted.score(x, y) > 0.9
    plain = Classifier(standardize=False, **QUICK).fit(x[:, ::2], y)
    assert plain.mean_.tolist() == [0, 0] and plain.scale_.tolist() == [1, 1]
    scores = plain.model_.predict(x[:, ::2].astype(np.float32), "exact")
    assert np.array_equal(plain.predict(x[:, ::2]), scores.argmax(axis=1))


def test_labels_of_any_kind():
    x, y = IRIS
    names = np.array(["setosa", "versicolor", "virginica"])
    assert Classifier(random_state=1).fit(x, names[y]).predict(x[:1]).tolist() == ["setosa"]
    two = y < 2
    binary = Classifier(**QUICK).fit(x[two], np.array([-5, 7])[y[two]])
    decision = binary.decision_function(x)
    assert decision.shape == (150,) and binary.classes_.tolist() == [-5, 7]
    assert np.array_equal(binary.predict(x), np.where(decision > 0, 7, -5))
    assert np.allclose(binary.predict_proba(x)[:, 1], 1 / (1 + np.exp(-decision)), rtol=1e-12)


def test_pipeline_grid_search_clone_and_pickle():
    x, y = IRIS
    pipeline = make_pipeline(StandardScaler(), Classifier(**QUICK))
    assert cross_val_score(pipeline, x, y, cv=3).shape == (3,)
    grid = {"hidden_layer_sizes": [(4,), (8,)], "update": [bf.SGD(0.1), bf.Adam(0.05)]}
    search = GridSearchCV(Classifier(**QUICK), grid, cv=2).fit(x, y)
    assert search.best_params_.keys() == grid.keys() and search.predict(x).shape == (150,)
    fitted = search.best_estimator_
    for twin in (clone(fitted).fit(x, y), pickle.loads(pickle.dumps(fitted))):
        assert np.array_equal(twin.predict_proba(x), fitted.predict_proba(x))
    assert not hasattr(clone(fitted), "model_")


def test_the_seed():
    x, y = IRIS

    def theta(state):
        return Classifier(random_state=state, **QUICK).fit(x, y).model_.hash

    assert theta(0) == theta(0) == Classifier(**QUICK).fit(x, y).model_.hash != theta(1)
    assert theta(np.random.RandomState(3)) == theta(np.random.RandomState(3)) != theta(np.random.RandomState(4))
    assert theta(np.random.default_rng(3)) == theta(np.random.default_rng(3)) != theta(None) != theta(None)


def test_no_global_generator_is_touched():
    before = np.random.get_state()  # noqa: NPY002
    Classifier(random_state=None, **QUICK).fit(*IRIS).predict(IRIS[0])
    assert all(np.array_equal(a, b) for a, b in zip(before, np.random.get_state()))  # noqa: NPY002


def test_early_stopping_keeps_the_best():
    x, y = datasets.make_moons(300, noise=0.25, random_state=0)
    fitted = Classifier(early_stopping=True, n_iter_no_change=5, validation_fraction=0.3, max_iter=300).fit(x, y)
    run = fitted.run_
    assert run.outcome_code == "early_stop" and fitted.n_iter_ < 300
    assert fitted.model_.hash == run.best.model.hash != run.model.hash
    assert run.best.value == max(value for _, value in run.validation)
    steps_a_pass = 210 // 75
    assert [step for step, _ in run.validation][:3] == [steps_a_pass, 2 * steps_a_pass, 3 * steps_a_pass]


def test_divergence_warns_and_keeps_what_is_finite():
    x, y = DIABETES
    with pytest.warns(ConvergenceWarning, match="training stopped at step .*try a smaller lr"):
        fitted = Regressor(update=bf.SGD(1e30), **QUICK).fit(x, y)
    assert np.isfinite(fitted.model_.theta).all() and fitted.n_iter_ >= 1
    with pytest.warns(ConvergenceWarning, match="larger mu"):
        Regressor(**{**QUICK, "estimator": bf.RGE(mu=1e-30), "max_iter": 20}).fit(x, y)
    with pytest.warns(ConvergenceWarning, match="partial_fit stopped"):
        streamed = Regressor(update=bf.SGD(1e30), batch_size=10, **QUICK).partial_fit(x, y)
    assert np.isfinite(streamed.model_.theta).all()
    with pytest.warns(ConvergenceWarning, match="training stopped at step .*the loss has exploded.*a smaller lr"):
        fitted = Regressor(update=bf.SGD(0.3), early_stopping=True, **{**QUICK, "max_iter": 50}).fit(x, y)
    assert fitted.run_.outcome_code == "diverged" and fitted.model_.hash == fitted.run_.model.hash


def test_a_pass_in_which_the_network_gets_lost_leaves_it_as_it_was():
    x, y = IRIS
    streamed = Classifier(update=bf.SGD(0.01), batch_size=5, **QUICK).partial_fit(x, y, classes=[0, 1, 2])
    before, steps = streamed.model_.hash, len(streamed.loss_curve_)
    streamed.set_params(update=bf.SGD(1e4))
    with pytest.warns(ConvergenceWarning, match="partial_fit stopped at .*exploded.* begin anew with a smaller lr"):
        streamed.partial_fit(x, y)
    assert streamed.model_.hash == before and steps + 10 <= len(streamed.loss_curve_) < 2 * steps


def test_what_is_worth_no_more_than_a_constant_is_a_warning():
    x, y = IRIS
    with pytest.warns(ConvergenceWarning, match="training loss .* is no better than 1.099, that of a constant answer"):
        Classifier(update=bf.SGD(1e-9), **{**QUICK, "max_iter": 20}).fit(x, y)


def test_partial_fit_says_that_it_stands_still():
    """Where no probe changes the loss, a fit said so, and a stream of samples never did."""
    x, y = np.random.default_rng(0).normal(size=(100, 3)), np.arange(100) % 2
    streamed = Classifier(**QUICK | {"estimator": bf.RGE(2, mu=1e-30)}, batch_size=10)
    with pytest.warns(ConvergenceWarning, match="partial_fit stopped at step 9: no probe changed .*a larger mu"):
        streamed.partial_fit(x, y, classes=[0, 1])


def test_partial_fit_goes_on_where_it_was():
    """Two passes over everything, one minibatch each: two steps of train(), but for the order of the samples."""
    x, y = IRIS
    settings = {**QUICK, "batch_size": 150, "random_state": 3}
    streamed = Classifier((6,), **settings)
    for _ in range(2):
        streamed.partial_fit(x, y, classes=[0, 1, 2])
    fitted = Classifier((6,), **{**settings, "max_iter": 2}).fit(x, y)
    start = Classifier((6,), **settings).partial_fit(x[:1], y[:1], classes=[0, 1, 2])
    moved = np.abs(fitted.model_.theta - bf.Sequential(4, [bf.Linear(6), bf.ReLU(), bf.Linear(3)], seed=3).theta).max()
    assert moved > 0.01 and np.abs(streamed.model_.theta - fitted.model_.theta).max() < 1e-4 * moved
    assert np.allclose(streamed.loss_curve_, fitted.loss_curve_, rtol=1e-5) and streamed.n_iter_ == 2
    assert start.n_iter_ == 1


def test_partial_fit_goes_on_from_fit():
    x, y = IRIS
    fitted = Classifier(**QUICK).fit(x, y)
    before, steps = fitted.model_.hash, fitted.run_.steps
    fitted.partial_fit(x, y)
    assert fitted.model_.hash != before == fitted.run_.model.hash, "the run is left as it was"
    assert len(fitted.run_.losses) == steps == len(fitted.loss_curve_) - 150 // 37


def test_a_stream_is_learnt():
    draw = np.random.default_rng(0)
    model, regressor = Classifier(random_state=1), Regressor(random_state=1)
    for _ in range(60):
        x = draw.normal(size=(120, 2))
        model.partial_fit(x, x[:, 0] > x[:, 1], classes=[False, True])
        regressor.partial_fit(x, 3 + x[:, 0] * x[:, 1])
    x = draw.normal(size=(500, 2))
    assert model.score(x, x[:, 0] > x[:, 1]) > 0.95 and regressor.score(x, 3 + x[:, 0] * x[:, 1]) > 0.7
    with pytest.raises(ValueError, match=r"y: expected labels among classes \[False  True\], got \['a'\]"):
        model.partial_fit(x[:1], ["a"])
    with pytest.raises(ValueError, match="classes: expected those of the first call"):
        model.partial_fit(x[:2], [True, False], classes=[True])
    with pytest.raises(ValueError, match="y: expected 1 outputs as in the first call, got 2"):
        regressor.partial_fit(x, x)


def test_verbose_is_a_bar_and_default_is_silence(capsys):
    Classifier(verbose=True, **QUICK).fit(*IRIS)
    assert "training" in capsys.readouterr().err
    Classifier(**QUICK).fit(*IRIS)
    assert capsys.readouterr() == ("", "")


WRONG = [
    ({"hidden_layer_sizes": (0,)}, r"hidden_layer_sizes: expected an integer >= 1, got 0"),
    ({"hidden_layer_sizes": "a"}, r"hidden_layer_sizes: expected an integer >= 1, got 'a'"),
    ({"activation": "gelu"}, r"activation: expected one of 'relu', 'tanh', 'sigmoid', 'sin', got 'gelu'"),
    ({"layers": [3]}, r"layers: expected layers such as Linear\(10\), got 3"),
    ({"estimator": "rge"}, r"estimators: expected one of RGE"),
    ({"update": 0.1}, r"updates: expected one of SGD"),
    ({"batch_size": 0}, r"batch_size: expected an integer >= 1, got 0"),
    ({"batch_size": "all"}, r"batch_size: expected one of 'auto', got 'all'"),
    ({"max_iter": 0}, r"max_iter: expected an integer >= 1, got 0"),
    ({"random_state": -1}, r"random_state: expected an integer in \[0, 4294967295\], got -1"),
    ({"random_state": "a"}, r"random_state: expected an integer in"),
    ({"early_stopping": True, "validation_fraction": 1.5}, r"validation: expected a share in \(0, 1\), got 1.5"),
    ({"early_stopping": True, "validation_fraction": "a"}, r"validation_fraction: expected a number, got 'a'"),
    ({"early_stopping": True, "n_iter_no_change": 0}, r"n_iter_no_change: expected an integer >= 1, got 0"),
    ({"engine": "gpu"}, r"engine: expected one of 'reference', 'exact', 'compiled', got 'gpu'"),
]


@pytest.mark.parametrize(("changed", "message"), WRONG, ids=range(len(WRONG)))
@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_wrong_settings(kind, changed, message):
    with pytest.raises((ValueError, TypeError), match=message):
        kind(**{**QUICK, **changed}).fit(*IRIS)


def test_wrong_data():
    x, y = IRIS
    with pytest.raises(ValueError, match="y: expected at least two classes, got one class"):
        Classifier(**QUICK).fit(x, np.zeros(150, int))
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        Classifier(**QUICK).fit(x, x[:, 0])
    with pytest.raises(ValueError, match="classes: expected all classes in the first call"):
        Classifier(**QUICK).partial_fit(x, y)
    for kind in (Classifier, Regressor):
        with pytest.raises(NotFittedError):
            kind().predict(x)


def test_no_warning_in_ordinary_use():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Classifier().fit(*IRIS).score(*IRIS)
        Regressor().fit(*DIABETES).score(*DIABETES)


def test_without_scikit_learn_the_message_says_what_to_install():
    program = "import sys; sys.modules['sklearn'] = None\nimport bpfree as bf\nbf.train\nbf.sklearn"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert 'bpfree.sklearn needs scikit-learn >= 1.6: pip install "bpfree[sklearn]"' in result.stderr


BODY = bf.Sequential(4, [bf.Linear(6), bf.Tanh()], seed=3).freeze("linear1.bias")


def test_a_model_as_a_layer_of_which_a_part_is_trained():
    """The weights of a body that was made before are kept, through fit, partial_fit, clones and grids."""
    made = Classifier(layers=[BODY], trainable="linear3.*", **QUICK)
    for network in (made, clone(made), pickle.loads(pickle.dumps(made))):
        fitted = network.fit(*IRIS)
        assert [part.name for part in fitted.model_.graph.trainable] == ["linear3.weight", "linear3.bias"]
        for name, values in BODY.parameters().items():
            np.testing.assert_array_equal(fitted.model_.parameters()[f"model1.{name}"], values)
        before = fitted.model_.hash
        fitted.partial_fit(*IRIS)
        assert fitted.model_.hash != before and fitted.model_.frozen_hash == fitted.run_.model.frozen_hash
    same = bf.train(
        bf.Sequential(4, [BODY, bf.Linear(3)]), (made._standard(IRIS[0]), IRIS[1]), estimator=QUICK["estimator"],
        update=made.run_.trainer.update, batch_size=37, epochs=3, engine="exact", trainable="linear3.*",
    )  # fmt: skip
    assert clone(made).fit(*IRIS).model_.hash == same.model.hash
    whole = Classifier(layers=[BODY], **QUICK).fit(*IRIS).model_
    assert [part.name for part in whole.graph.slices if part.frozen] == ["model1.linear1.bias"], "flags are kept"
    with pytest.raises(ValueError, match="trainable: expected a pattern that matches one of model1.linear1.weight"):
        Classifier(layers=[BODY], trainable="head.*", **QUICK).fit(*IRIS)


FULL_BATCH = {"batch_size": 1000, "max_iter": 40, "estimator": bf.UnitWise(), "update": bf.SGD(0.05), "engine": "exact"}


@pytest.mark.parametrize(("kind", "data"), [(Classifier, IRIS), (Regressor, DIABETES)])
def test_a_weight_of_2_is_the_sample_twice(kind, data):
    """And of 0 no sample at all, however large; weights of one size are none."""
    x, y = data[0][::3].copy(), data[1][::3]
    counts = np.random.default_rng(0).integers(0, 4, len(x))
    repeated = kind(**FULL_BATCH).fit(x.repeat(counts, axis=0), y.repeat(counts))
    plain = kind(**FULL_BATCH).fit(x, y)
    x[counts == 0] *= 1e3
    weighted = kind(**FULL_BATCH).fit(x, y, sample_weight=counts * 0.7)
    score = "decision_function" if kind is Classifier else "predict"
    expected, got, other = (getattr(one, score)(data[0]) for one in (repeated, weighted, plain))
    np.testing.assert_allclose(got, expected, atol=2e-3 * np.abs(expected).max())
    assert np.abs(other - expected).max() > 0.02 * np.abs(expected).max()
    even = kind(**FULL_BATCH).fit(*data, sample_weight=np.full(len(data[0]), 3))
    assert even.model_.hash == kind(**FULL_BATCH).fit(*data).model_.hash
    assert weighted.run_.trainer.weighted and not plain.run_.trainer.weighted


def test_sample_weights_are_refused_where_they_are_none():
    for wrong, message in (([-1.0] + [1.0] * 149, "Negative values"), (np.zeros(150), "zero")):
        with pytest.raises(ValueError, match=message):
            Classifier(**QUICK).fit(*IRIS, sample_weight=wrong)
