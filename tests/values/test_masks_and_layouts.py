"""Masked arrays, layouts of x, and labels that are no numbers from 0: what is meant, or a message that says it."""

import numpy as np
import pytest
from command_line import run
from numpy.testing import assert_array_equal

import bpfree as bf

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 4)).astype("f4"), np.arange(20) % 2
MASKED = np.ma.masked_array(X, X > 1)
MODEL = bf.Sequential(4, [bf.Linear(2)])
ROWS = np.ma.masked_array(np.arange(20.0), np.arange(20) == 3)
INSIDE = np.ma.masked_array(np.linspace(0.1, 0.9, 9)[:, None], np.arange(9)[:, None] == 3)


def solve(**settings):
    return bf.pde.solve(bf.pde.Poisson(dim=1), **{"points": 16, "max_steps": 1, **settings})


SOLUTION = solve()
CASES = {
    "train x": ("x", lambda: bf.train(MODEL, (MASKED, Y), max_steps=1)),
    "train y": ("y", lambda: bf.train(MODEL, (X, np.ma.masked_array(Y, Y == 1)), max_steps=1)),
    "train targets": ("y", lambda: bf.train(MODEL, (X, MASKED[:, :2]), loss="mse", max_steps=1)),
    "train own loss": ("y", lambda: bf.train(MODEL, (X, ROWS), loss=lambda y, t: y[:, 0] - t, max_steps=1)),
    "train w": ("w", lambda: bf.train(MODEL, (X, Y, ROWS), max_steps=1)),
    "train list": ("x", lambda: bf.train(MODEL, (list(MASKED), Y), max_steps=1)),
    "validation": ("x", lambda: bf.train(MODEL, (X, Y), validation=(MASKED, Y), max_steps=1)),
    "batches": ("batches: step 0: x", lambda: bf.train(MODEL, batches=lambda step, rng: (MASKED, Y), max_steps=1)),
    "predict": ("x", lambda: MODEL.predict(MASKED)),
    "accuracy x": ("x", lambda: MODEL.accuracy(MASKED, Y)),
    "accuracy labels": ("labels", lambda: MODEL.accuracy(X, np.ma.masked_array(Y, Y == 1))),
    "theta": ("theta", lambda: bf.Model(MODEL.graph, np.ma.masked_array(MODEL.theta, MODEL.theta > 0))),
    "fit_head x": ("x", lambda: bf.fit_head(MODEL, (MASKED, Y), ridge=1.0)),
    "fit_head y": ("y", lambda: bf.fit_head(MODEL, (X, np.ma.masked_array(Y)), ridge=1.0)),
    "floor": ("test", lambda: bf.random_features_floor(MODEL, (X, Y), (X, np.ma.masked_array(Y)), validation=(X, Y))),
    "calibrate": ("x", lambda: bf.calibrate(MODEL, (MASKED, Y))),
    "theta0": ("theta0", lambda: bf.minimize(lambda theta: 0.0, ROWS, max_steps=1)),
    "loss_fn": ("loss_fn", lambda: bf.minimize(lambda theta: ROWS, np.zeros(3), max_steps=1)),
    "tell": ("values", lambda: bf.RGE(n_queries=10).start(np.zeros(3), update=bf.SGD(0.1), max_steps=1).tell(ROWS)),
    "observed points": ("observed: points", lambda: bf.pde.Observed(np.ma.masked_array([[0.5]], [[True]]), [0.1])),
    "observed values": ("observed: values", lambda: bf.pde.Observed([[0.5]], np.ma.masked_array([0.1], [True]))),
    "solve points": ("points of residual", lambda: solve(points={"residual": INSIDE})),
    "solve test_points": ("test_points", lambda: solve(test_points=INSIDE)),
    "solution predict": ("points", lambda: SOLUTION.predict(INSIDE)),
    "solution error": ("points", lambda: SOLUTION.error("residual_rms", INSIDE)),
}


@pytest.mark.parametrize(("name", "call"), CASES.values(), ids=CASES)
def test_masks_are_refused_by_name(name, call):
    with pytest.raises(TypeError, match=rf"^{name}: expected .*, got a masked array"):
        call()


def test_the_message_says_what_to_do():
    with pytest.raises(TypeError, match=r"leave these samples out, or give x\.filled\(number\)$"):
        MODEL.predict(MASKED)


@pytest.mark.parametrize("kind", ["Classifier", "Regressor"])
def test_scikit_learns_interface_refuses_masks(kind):
    sklearn = pytest.importorskip("bpfree.sklearn")
    fitted = getattr(sklearn, kind)(max_iter=1).fit(X, Y)
    masked_y, masked_w = np.ma.masked_array(Y), np.ma.masked_array(np.ones(20))
    for name, call in (
        ("X", lambda: fitted.fit(MASKED, Y)),
        ("y", lambda: fitted.fit(X, masked_y)),
        ("sample_weight", lambda: fitted.fit(X, Y, sample_weight=masked_w)),
        ("X", lambda: fitted.partial_fit(MASKED, Y)),
        ("X", lambda: fitted.predict(MASKED)),
        ("y", lambda: fitted.score(X, masked_y)),
        ("sample_weight", lambda: fitted.score(X, Y, masked_w)),
    ):
        with pytest.raises(TypeError, match=f"^{name}: expected numbers without a mask"):
            call()


def _kind(value):
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else None


IMAGES = RNG.normal(size=(6, 3, 4, 4)).astype("f4")


def test_the_graphs_layout_or_flat_or_axes_of_one_element():
    model = bf.Sequential((3, 4, 4), [bf.Flatten(), bf.Linear(2)])
    expected = model.predict(IMAGES, "exact")
    for x in (IMAGES.reshape(6, 48), IMAGES[:, None], IMAGES.reshape(6, 3, 1, 4, 4, 1)):
        assert_array_equal(model.predict(x, "exact"), expected)
    line = bf.Sequential(48, [bf.Linear(2)])
    assert_array_equal(line.predict(IMAGES.reshape(6, 48, 1)), line.predict(IMAGES.reshape(6, 48)))


@pytest.mark.parametrize("shape", [(4, 4, 3), (4, 3, 4), (3, 16), (6, 8), (4, 4, 1, 3)])
def test_another_layout_of_the_same_size_is_refused_with_both_shapes(shape):
    model, x = bf.Sequential((3, 4, 4), [bf.Flatten(), bf.Linear(2)]), IMAGES.reshape(6, *shape)
    got = ", ".join(map(str, shape))
    message = rf"^x: expected shape \(n, 3, 4, 4\) or \(n, 48\) with n >= 1, got \(6, {got}\): move its axes"
    for call in (
        lambda: model.predict(x),
        lambda: model.accuracy(x, np.zeros(6, int)),
        lambda: bf.train(model, (x, np.zeros(6, int)), batch_size=2, max_steps=1),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("y", [Y.astype(bool), Y[:, None], Y.astype("u1"), Y.reshape(20, 1, 1)], ids=_kind)
def test_labels_that_can_mean_one_thing_only(y):
    runs = [bf.train(MODEL, (X, labels), max_steps=2, batch_size=9) for labels in (Y, y)]
    assert runs[0].model.hash == runs[1].model.hash and MODEL.accuracy(X, y) == MODEL.accuracy(X, Y)


NUMBERED = r"np.unique\({}, return_inverse=True\)\[1\] numbers classes from 0"


@pytest.mark.parametrize(
    ("y", "kind", "message"),
    [
        (Y + 1, ValueError, rf"expected labels in \[0, 1\], got 1 to 2: {NUMBERED}$"),
        (Y * 7, ValueError, rf"expected labels in \[0, 1\], got 0 to 7: {NUMBERED}$"),
        (Y * 2 - 1, ValueError, rf"expected labels in \[0, 1\], got -1 to 1: {NUMBERED}$"),
        (np.arange(20) % 3, ValueError, r"expected labels in .* got 0 to 2: .*, for a model of 3 outputs$"),
        (Y + 1.0, TypeError, r"expected integer labels \(n,\).*got float64 \(20,\): .*{}.astype\(int\) for classes"),
        (Y + 0.5, TypeError, rf"expected integer labels \(n,\).*got float64 \(20,\): .*{NUMBERED}"),
        (np.array(["no", "yes"])[Y], TypeError, rf"expected integer labels \(n,\).*got <U3 \(20,\): {NUMBERED}"),
        (np.array(["no", "yes"], object)[Y], TypeError, rf"expected integer labels.*got object \(20,\): {NUMBERED}"),
        (np.eye(2, dtype=int)[Y], TypeError, r"expected integer labels .*\(20, 2\): {}.argmax\(axis=1\) of rows with"),
    ],
    ids=_kind,
)
def test_labels_that_need_a_word(y, kind, message):
    with pytest.raises(kind, match="^y: " + message.replace("{}", "y")):
        bf.train(MODEL, (X, y), max_steps=1)
    with pytest.raises(kind, match="^labels: " + message.replace("{}", "labels")):
        MODEL.accuracy(X, y)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(path, y, x=X, **others):
    np.savez(path / "own.npz", x=x, y=y, **others)
    return path / "own.npz"


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y + 1, "y: expected classes 0 to 1, got 1, 2: np.unique(y, return_inverse=True)[1] numbers classes from 0"),
        (Y * 7, "y: expected classes 0 to 1, got 0, 7: np.unique(y"),
        (Y[:, None], "y: expected classes (n,), or targets as floats, got int64 (20, 1): save y.ravel()"),
        (np.array(["no", "yes"])[Y], "y: expected real numbers, got <U3: np.unique(y"),
    ],
    ids=_kind,
)
def test_files_whose_classes_need_a_word(tmp_path, y, message):
    told = run("train", table(tmp_path, y), "--max-steps", 1)
    assert told.exit_code == 2 and message in told.stderr and len(told.stderr.splitlines()) == 1


def test_floats_that_are_whole_numbers_are_classes_or_targets(tmp_path):
    x, y = np.tile(X, (5, 1)), np.tile(Y + 1.0, 5)
    told = run("train", table(tmp_path, y, x), "--max-steps", 1)
    assert told.exit_code == 2 and "got floats that are whole numbers, 1, 2, ...: save y.astype(int)" in told.stderr
    told = run("train", tmp_path / "own.npz", "--loss", "mse", "--max-steps", 1, "--out", tmp_path / "m.npz")
    assert told.exit_code == 0, told.output
    told = run("evaluate", tmp_path / "m.npz", tmp_path / "own.npz")
    assert told.exit_code == 2 and "whole numbers" in told.stderr
    assert run("evaluate", tmp_path / "m.npz", tmp_path / "own.npz", "--loss", "mse").exit_code == 0


def test_files_of_another_layout(tmp_path):
    bf.Sequential((3, 4, 4), [bf.Flatten(), bf.Linear(2)]).save(tmp_path / "m.npz")
    for x, code in ((IMAGES.transpose(0, 2, 3, 1), 2), (IMAGES, 0), (IMAGES.reshape(6, 48), 0)):
        told = run("evaluate", tmp_path / "m.npz", table(tmp_path, np.arange(6) % 2, x))
        assert told.exit_code == code
        assert code == 0 or "expected samples of shape (3, 4, 4), or flat, for MODEL, got (4, 4, 3)" in told.stderr


def _masked(values):
    return np.ma.masked_greater(values, 0.1)


def _absolute(arithmetic, y, target):
    return abs(y - target).sum(axis=0)


OWN_LOSSES = {
    "a function": lambda o, t: _masked((o[:, 0] - t) ** 2),
    "values": bf.Loss("own", lambda arithmetic, y, t: _masked(_absolute(arithmetic, y, t))),
    "gradient": bf.Loss("own", _absolute, gradient=lambda arithmetic, y, t: _masked(np.sign(y - t))),
}


@pytest.mark.parametrize("weights", [(), (np.ones(40),)], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", OWN_LOSSES)
def test_a_masked_result_of_a_loss_of_ones_own_is_refused(name, weights):
    """NumPy took the numbers below the mask, and training was of another loss than the user's."""
    x = np.random.default_rng(0).normal(size=(40, 4)).astype("f4")
    y = x[:, 0] if name == "a function" else x[:, :1]
    estimator = bf.UnitWise() if name == "gradient" else bf.RGE(2)
    with pytest.raises(TypeError, match="^loss: .*expected numbers without a mask"):
        bf.train(
            bf.Sequential(4, [bf.Linear(1)]), (x, y, *weights), loss=OWN_LOSSES[name], estimator=estimator, max_steps=2
        )  # fmt: skip


def test_a_masked_result_of_an_op_of_ones_own_is_refused():
    op = bf.elementwise_op("own", lambda site, a, p, inputs: _masked(inputs[0]), lambda site, a, x, y: np.ones_like(x))
    with pytest.raises(TypeError, match="^op: forward of 'own': expected numbers without a mask"):
        bf.Sequential(4, [bf.Linear(2), op]).predict(X)


@pytest.mark.parametrize(
    "pair", [(np.ma.array([1.0, 2.0], mask=[0, 1]),), (1.0, [2.0]), (1.0, np.inf)]
)
def test_a_scale_that_is_no_number_is_refused_at_once(pair):
    with pytest.raises((TypeError, ValueError), match="^(factor|offset): expected a"):
        bf.Scale(*pair)
