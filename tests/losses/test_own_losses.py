"""Losses of one's own: functions of rows, and rows without a number, wherever a loss is taken."""

import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from helpers import floats

import bpfree as bf
from bpfree.engines import CompiledEngine, ReferenceEngine
from bpfree.engines.batch import make_batch
from bpfree.engines.probes import AT_THETA
from bpfree.losses import LOSSES, mse, softmax_cross_entropy

X, TARGETS, LABELS = floats(1, 40, 3), floats(2, 40, 2), np.arange(40) % 2
MODEL = bf.Sequential(3, [bf.Linear(4), bf.Tanh(), bf.Linear(2)], seed=1)
SETTINGS = {"update": bf.SGD(0.1), "batch_size": 8, "max_steps": 4}
SEEN = []


def squares(outputs, targets):
    """Mean squared error, in the order of NumPy's own sums."""
    return ((outputs - targets) ** 2).mean(axis=1)


def watching(outputs, targets):
    SEEN.append((outputs.copy(), targets))
    outputs[:] = 0  # it is the function's own
    return np.zeros(len(outputs))


def own(row, **changes):
    """A copy of a row of the table that is one's own."""
    return replace(row, name=f"own_{row.name}", **changes)


def trained(loss, y, engine="reference", **settings):
    return bf.train(MODEL, (X, y), loss=loss, engine=engine, **{**SETTINGS, **settings})


def test_a_function_sees_outputs_as_predict_gives_them_and_rows_of_y_unchanged():
    y = np.array([f"row {k}" for k in range(40)])
    SEEN.clear()
    run = trained(watching, y, estimator=bf.RGE(1), max_steps=1)
    (outputs, rows), _ = SEEN
    indices = run.trainer.indices(0, 40)
    assert outputs.shape == (8, 2) and outputs.flags.c_contiguous and outputs.dtype == np.float32
    assert rows.dtype == y.dtype and np.array_equal(rows, y[indices])
    moved = MODEL.predict(X[indices], "reference")
    np.testing.assert_allclose(outputs, moved, atol=0.1)  # it is a probe, not theta itself
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = "mine"


@pytest.mark.parametrize("shape", [(), (2,), (3, 5), (1,)])
@pytest.mark.parametrize("kind", ["f8", "i8", "u1", "?", "c16", "U3", "M8[s]", "O"])
def test_rows_of_any_type_and_shape_reach_it(shape, kind):
    y = np.zeros((40, *shape), kind)
    SEEN.clear()
    trained(watching, y, max_steps=1)
    assert {rows.dtype for _, rows in SEEN} == {y.dtype} and {rows.shape for _, rows in SEEN} == {(8, *shape)}


@pytest.mark.parametrize("engine", ["reference", "exact", ReferenceEngine(dtype=np.float64)], ids=["f4", "exact", "f8"])
def test_it_is_cast_to_the_engines_precision(engine):
    batch = make_batch(MODEL.graph, bf.Loss.of(squares), X, TARGETS)
    engine = bf.engines.get_engine(engine)
    values, _ = engine.evaluate(MODEL.graph, MODEL.theta, MODEL.frozen, batch, bf.Loss.of(squares), [AT_THETA])
    expected = ((MODEL.predict(X, engine) - TARGETS) ** 2).mean(axis=1)
    assert values.dtype == engine.dtype
    np.testing.assert_array_equal(values[0], expected.astype(engine.dtype))


@pytest.mark.parametrize("engine", ["reference", "exact"])
@pytest.mark.parametrize("estimator", [bf.RGE(4), bf.CGE(), bf.UnitWise(), bf.NodePerturbation(), bf.StructuredCGE(),
                                       bf.Hybrid(20)], ids=lambda own: type(own).__name__)  # fmt: skip
@pytest.mark.parametrize(("row", "y"), [(mse.LOSS, TARGETS), (softmax_cross_entropy.LOSS, LABELS)], ids=["mse", "sce"])
def test_a_copy_of_a_built_in_row_has_its_bits(row, y, estimator, engine):
    run, plain = trained(own(row), y, engine, estimator=estimator), trained(row, y, engine, estimator=estimator)
    assert run.model.hash == plain.model.hash and run.losses == plain.losses and run.metric == plain.metric


def test_a_function_of_rows_has_the_bits_of_the_same_sums():
    def same(outputs, targets):
        error = outputs - targets
        return (error * error)[:, 0] * np.float32(0.5) + (error * error)[:, 1] * np.float32(0.5)

    run, plain = trained(same, TARGETS, "exact"), trained("mse", TARGETS, "exact")
    assert run.model.hash == plain.model.hash


@pytest.mark.parametrize("estimator", [bf.UnitWise(), bf.StructuredCGE(), bf.NodePerturbation(n_queries=400)],
                         ids=lambda own: type(own).__name__)  # fmt: skip
@pytest.mark.parametrize(("row", "y"), [(mse.LOSS, TARGETS), (softmax_cross_entropy.LOSS, LABELS)], ids=["mse", "sce"])
def test_what_has_no_closed_form_is_measured(row, y, estimator):
    """In float64, the measured gradient is the closed one up to O(mu^2)."""
    engine, found = ReferenceEngine(dtype=np.float64), []
    bare = bf.Loss(f"bare_{row.name}", row.values, labels=row.labels)
    for loss in (bare, row):
        trainer = bf.Trainer(MODEL.graph, MODEL.frozen, loss, estimator, bf.SGD(), 40)
        estimate = trainer.estimate(engine, MODEL.theta, make_batch(MODEL.graph, trainer.loss, X, y), 0)
        found.append(trainer.gradient(0, estimate.coefficients))
        if not isinstance(estimator, bf.StructuredCGE):
            assert trainer.estimator.head == ("probe" if loss is bare else "exact")
    measured, closed = found
    loose = 0.2 if isinstance(estimator, bf.NodePerturbation) else 1e-4  # 1 / sqrt(400) and more: along directions
    assert np.linalg.norm(measured - closed) < loose * np.linalg.norm(closed)
    assert not np.array_equal(measured, closed)


def test_measuring_costs_what_it_says():
    bare = bf.Loss("bare", mse.values)
    run, plain = (trained(loss, TARGETS, estimator=bf.UnitWise()) for loss in (bare, "mse"))
    assert run.forwards > plain.forwards and run.forwards == 4 * run.trainer.forwards


def test_the_default_engine_is_the_reference_one_and_the_summary_says_so_once():
    run, plain = trained(squares, TARGETS, None), trained("mse", TARGETS, None)
    said = f"engine reference, as loss '{__name__}.squares' is of your own and not in C"
    assert run.summary().count(said) == 1 and "not in C" not in plain.summary()
    assert run.model.hash == trained(squares, TARGETS, "reference").model.hash


IMPOSTOR = replace(mse.LOSS, name="impostor", values=lambda arithmetic, y, t: 0 * y[0])


@pytest.mark.parametrize("loss", [squares, bf.Loss("own", mse.values), own(mse.LOSS), IMPOSTOR,
                                  replace(IMPOSTOR, number=0), replace(IMPOSTOR, number=99, c="bpfree_loss_x")])
def test_every_door_into_c_refuses_it_by_name(loss, tmp_path):
    """A row that looks like the table's, with its number, is none of it."""
    run = trained(loss, TARGETS, None)
    named = rf"^[a-z]+: expected .*{run.trainer.loss.name}"
    batch = make_batch(MODEL.graph, run.trainer.loss, X, TARGETS)
    given = (MODEL.graph, MODEL.theta, MODEL.frozen, batch, run.trainer.loss, [AT_THETA])
    for call in (
        lambda: trained(loss, TARGETS, "compiled"),
        lambda: trained(loss, TARGETS, CompiledEngine()),
        lambda: trained(loss, TARGETS, bf.Threads(2, "compiled")),
        lambda: CompiledEngine().evaluate(*given),
        lambda: CompiledEngine().apply(run.trainer, MODEL.theta, [], 0, run.coefficients),
        lambda: bf.replay(run.journal, run.trainer, MODEL.theta, "compiled"),
        lambda: bf.calibrate(MODEL, (X, TARGETS), loss=loss, engine="compiled"),
        lambda: bf.diagnose(MODEL, (X, TARGETS), bf.RGE(), loss=loss, engine="compiled"),
        lambda: bf.exporters.firmware.export(MODEL, tmp_path / "firmware", trainer=run.trainer),
    ):
        with pytest.raises(ValueError, match=named):
            call()
    assert run.trainer.refusal.startswith(f"loss '{run.trainer.loss.name}': of one's own")
    assert not list(tmp_path.iterdir())


def test_layer_access_in_c_does_not_index_by_its_number():
    with pytest.raises(ValueError, match="impostor"):
        trained(replace(IMPOSTOR, closed="bpfree_closed_mse"), TARGETS, "compiled", estimator=bf.UnitWise())


@pytest.mark.parametrize(
    ("result", "got"),
    [
        (lambda o, t: 0.5, r"float64 of shape \(\)"),
        (lambda o, t: o, r"float32 of shape \(8, 2\)"),
        (lambda o, t: o[:-1, 0], r"float32 of shape \(7,\)"),
        (lambda o, t: o[:, :1], r"float32 of shape \(8, 1\)"),
        (lambda o, t: None, r"object of shape \(\)"),
        (lambda o, t: ["a"] * 8, r"<U1 of shape \(8,\)"),
        (lambda o, t: o[:, 0] * 1j, r"complex64 of shape \(8,\)"),
        (lambda o, t: o + t[:, :1].T, r"ValueError: operands could not"),
        (lambda o, t: 1 / 0, r"ZeroDivisionError: division by zero"),
        (lambda o: o, r"TypeError: .*takes 1 positional argument"),
    ],
)
def test_what_a_function_does_wrong_is_said_with_its_name(result, got):
    result.__qualname__ = "wrong"
    expected = rf"expected '{__name__}.wrong' of \(outputs \(8, 2\), targets \(8, 2\)\) to give \(8,\)"
    with pytest.raises(ValueError, match=rf"^loss: {expected}.* numbers, got {got}"):
        trained(result, TARGETS)


@pytest.mark.parametrize("values", [lambda a, y, t: y.mean(), lambda a, y, t: y, lambda a, y, t: y[0, 1:]])
def test_a_row_with_results_of_a_wrong_shape_is_refused(values):
    with pytest.raises(ValueError, match=r"^loss: expected `values` of 'bad' to give real numbers of shape \(8,\)"):
        trained(bf.Loss("bad", values), TARGETS)


def test_a_wrong_gradient_is_refused():
    bad = bf.Loss("bad", mse.values, gradient=lambda a, y, t: y[0])
    with pytest.raises(ValueError, match=r"^loss: expected `gradient` of 'bad' to give real .* shape \(2, 8\), got"):
        trained(bad, TARGETS, estimator=bf.UnitWise())


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_loss_that_is_not_finite_is_a_result(value):
    run = trained(lambda outputs, targets: np.full(len(outputs), value), TARGETS)
    assert run.outcome_code == "nonfinite_loss" and run.model.hash == MODEL.hash


def test_truth_values_and_whole_numbers_are_numbers():
    run = trained(lambda outputs, targets: outputs.argmax(axis=1) != targets, LABELS, estimator=bf.RGE(2, mu=0.5))
    assert run.steps == 4 and 0 <= run.losses[0] <= 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bf.Loss("", mse.values), "Loss: expected a name, got ''"),
        (lambda: bf.Loss(3, mse.values), "Loss: expected a name, got 3"),
        (lambda: bf.Loss("mine", None), "Loss 'mine': expected a function as `values`, got None"),
        (lambda: bf.Loss("mine", mse.values, gradient=1), "Loss 'mine': expected a function as `gradient`, got 1"),
        (lambda: bf.Loss("mine", mse.values, labels=True, takes_rows=True), "Loss 'mine': expected labels or"),
        (lambda: bf.Loss.of(3), "loss: expected a function .*, got 3"),
        (lambda: bf.Loss.of(int), "loss: expected a function .*, got <class 'int'>"),
        (lambda: trained(int, TARGETS), "loss: expected one of .*, a function .*, or a bpfree.Loss, got <class 'int'>"),
        (lambda: trained(None, TARGETS), "loss: expected one of cross_entropy, softmax_cross_entropy, mse, a function"),
        (lambda: trained("own", TARGETS), "loss: expected one of cross_entropy, .*, mse, a function .*, got 'own'"),
        (lambda: trained(bf.Loss("mse", mse.values), TARGETS), "losses: expected a name that the table does not have"),
        (lambda: trained(squares, [[1], [1, 2]] * 20), "y: expected rows of one shape"),
        (lambda: trained(squares, TARGETS[:-1]), r"y: expected one row a sample \(40\)"),
    ],
)
def test_wrong_rows_are_refused_at_once(make, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        make()


def test_rows_of_the_table_and_of_ones_own_pickle():
    for row in LOSSES:
        assert pickle.loads(pickle.dumps(row)) == row
    again = pickle.loads(pickle.dumps(bf.Loss.of(squares)))
    assert again == bf.Loss.of(squares) and again.name == f"{__name__}.squares"
    named = bf.Loss.of(partial(np.power), name="power")
    assert named.name == "power" and bf.Loss.of(partial(np.power)).name == "<partial>"


def test_studies_take_it():
    found = bf.calibrate(MODEL, (X, TARGETS), loss=squares, batch_size=16)
    same = bf.calibrate(MODEL, (X, TARGETS), loss="mse", batch_size=16)
    assert found.mu == pytest.approx(same.mu, rel=8) and found.lr > 0
    near = bf.diagnose(MODEL, (X, TARGETS), bf.UnitWise(), loss=squares, batch_size=16)
    assert near.total.cosine > 0.999
    shares = bf.layer_ratios("grasp", MODEL, (X, TARGETS), fraction=0.5, loss=squares)
    assert len(shares) == len(MODEL.graph.trainable)


def test_validation_is_by_the_mean_loss():
    run = trained(squares, TARGETS, validation=0.25, validate_every=2)
    assert run.metric == "loss" and run.best.value == min(value for _, value in run.validation)
