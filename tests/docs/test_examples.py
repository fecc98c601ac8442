"""The examples run, and reach the numbers that they print."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from bpfree.arithmetic import Fast
from bpfree.model import Model

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_noisy_board(tmp_path, capsys):
    example = runpy.run_path(str(EXAMPLES / "noisy_board.py"))
    result = example["main"](120, tmp_path / "run.npz")
    assert result["accuracy"][0] < 0.3 and result["accuracy"][-1] > 0.75
    assert result["evaluations"] == 120 * 32
    assert result["answers lost"] > 50 and result["answers late"] > 50
    told_again = result["measurements"] - result["evaluations"]
    assert 0 < told_again <= result["answers lost"] + result["answers late"], "only missing answers are requested again"
    assert "accuracy of the self-test" in capsys.readouterr().out


def test_the_boards_loss_is_that_of_its_network():
    """Without noise, the loss is the softmax cross-entropy of the 64-12-10 network, by SciPy."""
    from scipy.special import log_softmax

    board = runpy.run_path(str(EXAMPLES / "noisy_board.py"))["Board"](noise=0.0, lost=0.0, late=0.0)
    theta = np.random.default_rng(0).normal(size=board.n_parameters)
    board.send(4, 0, theta)
    board.send(4, 1, theta)
    (_, _, loss), (_, _, same) = board.receive()
    rows = np.random.default_rng(4).choice(len(board.train.x), 128, replace=False)
    hidden = np.tanh(board.train.x[rows] @ theta[:768].reshape(64, 12) + theta[768:780])
    scores = log_softmax(hidden @ theta[780:900].reshape(12, 10) + theta[900:], axis=1)
    assert np.isclose(loss, -scores[np.arange(128), board.train.labels[rows]].mean(), rtol=1e-12) and loss == same


def test_augmentation(capsys):
    """Moved digits are recognised by the network that saw moved digits, and not by the other."""
    plain, augmented = runpy.run_path(str(EXAMPLES / "augmentation.py"))["main"]()
    assert plain < 0.55 and augmented > 0.88
    assert "steps 200 from step 400 on" in capsys.readouterr().out


def test_digits_are_moved_by_a_pixel_at_most():
    moved = runpy.run_path(str(EXAMPLES / "augmentation.py"))["moved"]
    image = np.zeros((500, 8, 8), "f4")
    image[:, 3, 4] = 1
    places = {divmod(int(k), 8) for k in moved(image.reshape(500, 64), np.random.default_rng(0)).argmax(axis=1)}
    assert places == {(3 + down, 4 + right) for down in (-1, 0, 1) for right in (-1, 0, 1)}


def run(name):
    """Run an example, and return its names."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def drawn(path):
    """Return whether the file is a picture; skip without matplotlib."""
    pytest.importorskip("matplotlib")
    return path.read_bytes()[:4] == b"\x89PNG"


def test_fine_tune(tmp_path, capsys):
    result = run("fine_tune")["main"](folder=tmp_path)
    frozen, whole, untrained = (result[name] for name in list(result)[:3])
    assert frozen > 0.87 and frozen > whole + 0.1 and frozen > untrained + 0.04
    assert (result["ram"], result["flash"]) == (4 * 66, 4 * 2080) and "66     833" in capsys.readouterr().out
    assert {"digits.npz", "odd_or_even.npz", "firmware"} <= {path.name for path in tmp_path.iterdir()}
    before, after = (Model.load(tmp_path / name).parameters() for name in ("digits.npz", "odd_or_even.npz"))
    assert all((before[name] == after[name]).all() for name in ("linear1.weight", "linear1.bias"))


def test_own_pde(tmp_path, capsys):
    result = run("own_pde")["main"](20, tmp_path)
    assert result["alpha"] == pytest.approx(0.3, rel=1e-2) and result["Heat"] < 1e-2 and result["Pendulum"] < 1e-2
    assert capsys.readouterr().out.count("floors: ") == 2 and drawn(tmp_path / "own_heat.png")


def test_black_scholes(tmp_path, capsys):
    result = run("black_scholes")["main"](12, 300, tmp_path / "b.png")
    assert result["error"] < 2e-2 and result["price"] < 0.5 and result["delta"] < 0.05 and result["gamma"] < 5e-3
    assert "discounted intrinsic value" in capsys.readouterr().out and drawn(tmp_path / "b.png")


def test_the_greeks_are_derivatives_of_the_price():
    """The greeks of the closed form equal differences of the library's own reference."""
    example = run("black_scholes")
    problem, stock, h = example["bf"].pde.BlackScholes(), np.array([70.0, 100.0, 130.0]), 0.01
    low, middle, high = (
        200 * problem.reference(np.stack([(stock + s) / 200, 0 * stock + 0.5], 1))[:, 0] for s in (-h, 0, h)
    )
    found = example["closed_form"](problem, stock, 0.5)
    np.testing.assert_allclose(found[:, 0], middle, rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], (high - low) / (2 * h), rtol=1e-6)
    np.testing.assert_allclose(found[:, 2], (high - 2 * middle + low) / h**2, rtol=1e-4)


def test_burgers(tmp_path, capsys):
    result = run("burgers")["main"](20, tmp_path / "b.png")
    assert result["error"] < 0.5 * result["floor"]
    assert "best constant" in capsys.readouterr().out and drawn(tmp_path / "b.png")


def test_inverse_heat(tmp_path, capsys):
    rows = run("inverse_heat")["main"](15, tmp_path / "i.png")
    assert all(abs(found - 0.1) < 3 * allowed + 1e-4 for found, allowed in rows.values())
    assert "floors of u" in capsys.readouterr().out and drawn(tmp_path / "i.png")


def test_what_the_noise_allows_is_the_spread_of_the_best_fit():
    """The Cramer-Rao bound is compared with least squares for alpha in the formula of the solution, for 200 noises."""
    from scipy.optimize import least_squares

    example = run("inverse_heat")
    problem = example["bf"].pde.InverseHeat(noise=0.01)
    x, t = problem.conditions[-1].points.T
    chance, found = np.random.default_rng(0), []
    for _ in range(200):
        measured = np.exp(-0.1 * np.pi**2 * t) * np.sin(np.pi * x) + 0.01 * chance.normal(size=len(x))
        fit = least_squares(lambda a, y: np.exp(-a[0] * np.pi**2 * t) * np.sin(np.pi * x) - y, [0.2], args=(measured,))
        found.append(fit.x[0])
    assert np.std(found) == pytest.approx(example["allowed"](problem), rel=0.2)


def test_hjb_lqg(tmp_path, capsys):
    result = run("hjb_lqg")["main"](20, 60, tmp_path / "h.png", max_steps=20, points=400)
    assert result["error"] < 0.5 * min(result["floors"].values())
    assert "best a + b t + c |x|^2" in capsys.readouterr().out and drawn(tmp_path / "h.png")


def test_own_loss(capsys):
    shares = run("own_loss")["main"](300)
    for below in shares.values():
        np.testing.assert_allclose(below, [0.1, 0.5, 0.9], atol=0.08)
    assert capsys.readouterr().out.count("pinball' is of your own and not in C") == 2


def test_the_quantile_loss_is_least_at_the_quantiles():
    pinball, y = run("own_loss")["pinball"], np.random.default_rng(0).normal(size=2001)
    levels = np.linspace(-2, 2, 81, dtype="f4")
    losses = [pinball(np.full((len(y), 3), level, "f4"), y) for level in levels]
    assert losses[0].shape == (2001,)
    for k, q in enumerate((0.1, 0.5, 0.9)):
        alone = [pinball(np.where(np.arange(3) == k, level, y[:, None]), y).mean() for level in levels]
        assert levels[np.argmin(alone)] == pytest.approx(np.quantile(y, q), abs=0.06)


def test_own_op(capsys):
    errors = run("own_op")["main"](150)
    assert errors["snake"][1] < errors["tanh"][1] and all(inside < 0.9 for inside, _ in errors.values())
    assert "as node 'snake2' (snake) is of your own" in capsys.readouterr().out


def test_the_derivative_of_the_activation():
    snake, x, h = run("own_op")["snake"], np.linspace(-3, 3, 50)[None], 1e-6
    forward = lambda at: snake.forward(None, Fast, (), (at,))
    expected = (forward(x + h) - forward(x - h)) / (2 * h)
    np.testing.assert_allclose(snake.elementwise.derivative(None, Fast, x, forward(x)), expected, atol=1e-8)


def test_own_estimator(capsys):
    reached = run("own_estimator")["main"](3e5)
    assert reached["OneTensor"] > 0.7 and "equal bits: True" in capsys.readouterr().out


def test_own_update(capsys):
    reached = run("own_update")["main"](3)
    assert reached["Lion"] > 0.5 and "equal bits: True" in capsys.readouterr().out


def test_lion_takes_the_steps_of_its_formula():
    lion, rng = run("own_update")["Lion"](0.1, 0.9, 0.99), np.random.default_rng(0)
    theta, state, t, m = np.zeros(20), [np.zeros(20)], np.zeros(20), np.zeros(20)
    for step in range(5):
        g = rng.normal(size=20)
        theta, state = lion.update(g, state, theta, step)
        t, m = t - 0.1 * np.sign(0.9 * m + 0.1 * g), 0.99 * m + 0.01 * g
    np.testing.assert_allclose(theta, t)
    np.testing.assert_allclose(state[0], m)


@pytest.mark.slow
def test_hjb20(tmp_path, capsys):
    pytest.importorskip("bpfree._core")
    result = run("hjb20")["main"](1, 10, tmp_path / "h.png")
    (grid, there), (taylor, cost), (_, spent), _ = result.values()
    assert grid == pytest.approx(taylor, rel=1e-2), "the same directions at the same points"
    assert there > 20 * cost and 0.9 * there < spent <= there
    assert "network = 0" in capsys.readouterr().out and drawn(tmp_path / "h.png")
