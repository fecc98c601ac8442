"""The examples run, and do what they say."""

import runpy
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def test_noisy_board(tmp_path, capsys):
    example = runpy.run_path(str(EXAMPLES / "noisy_board.py"))
    result = example["main"](120, tmp_path / "run.npz")
    assert result["accuracy"][0] < 0.3 and result["accuracy"][-1] > 0.75
    assert result["evaluations"] == 120 * 32
    assert result["answers lost"] > 50 and result["answers late"] > 50
    told_again = result["measurements"] - result["evaluations"]
    assert 0 < told_again <= result["answers lost"] + result["answers late"], "only what did not come is asked again"
    assert "accuracy of the self-test" in capsys.readouterr().out


def test_the_boards_loss_is_that_of_its_network():
    """Softmax cross-entropy of the 64-12-10 network, by SciPy; noise aside."""
    import numpy as np
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
