"""What ends a run and what it says then; validation, best and patience; cost, summary, picture, progress."""

import io
import re

import numpy as np
import pytest
from helpers import assert_same_bits, floats

import bpfree as bf
from bpfree import rng
from bpfree.estimators.step import QUIET_STEPS
from bpfree.screen import progress
from bpfree.training.run import OUTCOMES, Best

X, Y = floats(0, 40, 5), np.arange(40) % 3


def model(seed=0):
    return bf.Sequential(5, [bf.Linear(7), bf.ReLU(), bf.Linear(3)], seed=seed)


def quick(**changed):
    settings = {"max_steps": 5, "batch_size": 10, "engine": "exact", "update": bf.SGD(0.01), "estimator": bf.RGE(2)}
    data = changed.pop("data", (X, Y))
    return bf.train(changed.pop("model", model()), data, **{**settings, **changed})


# ---- Budgets: a step of RGE(2), two-sided, costs 4 evaluations of 10 samples ----


@pytest.mark.parametrize(
    ("budget", "steps", "code"),
    [
        ({"epochs": 2}, 8, "done"),
        ({"max_steps": 7}, 7, "done"),
        ({"max_evaluations": 40}, 10, "budget"),
        ({"max_evaluations": 43}, 10, "budget"),
        ({"max_evaluations": 39}, 9, "budget"),
        ({"max_evaluations": 3}, 0, "budget"),
        ({"max_forwards": 1e3}, 25, "budget"),
        ({"max_forwards": 119.5}, 2, "budget"),
        ({"max_forwards": 200, "max_evaluations": 12}, 3, "budget"),
        ({"max_forwards": 200, "max_steps": 4, "epochs": 5}, 4, "done"),
        ({"max_forwards": 200, "max_steps": 6, "epochs": 1}, 4, "done"),
        ({"max_forwards": 200, "max_steps": 6}, 5, "budget"),
        ({"max_forwards": 200, "max_steps": 5}, 5, "done"),
    ],
)
def test_the_first_budget_ends_the_run(budget, steps, code):
    run = quick(**{"max_steps": None, **budget})
    assert (run.steps, run.outcome_code) == (steps, code)
    assert (run.evaluations, run.forwards) == (4 * steps, 40 * steps)
    assert run.evaluations <= budget.get("max_evaluations", 1e9) and run.forwards <= budget.get("max_forwards", 1e9)
    if code == "budget":
        name = re.match(r"budget: (max_(\w+))=[\d,.]+ allows (\d+) steps", run.outcome)
        assert name[1] in budget and int(name[3]) == steps
        ends = r"\d steps( of 4 evaluations each|: [\d,]+ forwards, and the next step costs 40)$"
        assert re.search(ends, run.outcome)
    same = quick(max_steps=steps) if steps else quick(max_evaluations=1)
    assert run.model.hash == same.model.hash, "a budget changes nothing but the end"


def test_one_sided_steps_cost_one_more_than_queries():
    run = quick(max_steps=None, max_evaluations=100, estimator=bf.RGE(2, two_sided=False, grouping="layer"))
    assert run.steps == 20 and run.evaluations == 100


# ---- Outcomes ----


def test_outcomes_have_codes():
    seen = {
        quick().outcome_code,
        quick(max_evaluations=4).outcome_code,
        quick(callbacks=lambda step, run: False).outcome_code,
        quick(estimator=bf.RGE(mu=1e-30), max_steps=90).outcome_code,
        quick(update=bf.SGD(1e-12), max_steps=90, validation=(X, Y), validate_every=1, patience=3).outcome_code,
    }
    mse = {"data": (X, X[:, :3]), "loss": "mse", "max_steps": 90}
    with np.errstate(all="ignore"):
        seen.add(quick(**mse, update=bf.SGD(1e12)).outcome_code)
        far = {**mse, "data": (X, 100 * X[:, :3])}
        seen.add(quick(**far, update=bf.SGD(3e38)).outcome_code)
        seen.add(quick(update=bf.SGD(1e6), max_steps=90).outcome_code)
    fit = bf.Sequential(2, [bf.Linear(1)], seed=1)
    seen.add(bf.train(fit, (np.ones((40, 2)), np.ones(40)), loss="mse", update=bf.SGD(0.2), epochs=300).outcome_code)
    assert seen == set(OUTCOMES)


def test_mu_too_small_says_so():
    run = quick(estimator=bf.RGE(mu=1e-30), max_steps=90)
    assert run.steps == run.quiet == QUIET_STEPS and run.outcome_code == "mu_too_small"
    advice = "try a larger mu, unless this is a minimum"
    assert run.outcome == f"step 9: no probe changed the loss for {QUIET_STEPS} steps: {advice}"


def test_every_callback_is_called_and_any_can_stop():
    seen = []

    def first(step, run):
        seen.append(("first", step, run.steps))
        return step < 2

    def second(step, run):
        seen.append(("second", step, run.steps))

    run = quick(callbacks=[first, second])
    assert seen == [(name, step, step + 1) for step in range(3) for name in ("first", "second")]
    assert run.outcome_code == "callback" and run.outcome == "stopped by the callback after step 2"
    assert quick(callbacks=(lambda step, run: 0, lambda step, run: None)).outcome == "done", "only False stops"


# ---- Validation ----


def test_a_share_is_held_out():
    """By an order of its own: what is trained on and what is looked at are the whole, in the given order."""
    run = quick(validation=0.25, seed=6, max_steps=4)
    order = rng.shuffle(6, 2**32 - 1, 40, np.arange(40))
    held, kept = np.sort(order[:10]), np.sort(order[10:])
    by_hand = quick(data=(X[kept], Y[kept]), validation=(X[held], Y[held]), seed=6, max_steps=4)
    assert by_hand.model.hash == run.model.hash and by_hand.validation == run.validation
    assert run.model.hash != quick(seed=6, max_steps=4).model.hash
    other = np.sort(rng.shuffle(7, 2**32 - 1, 40, np.arange(40))[:10])
    assert not np.array_equal(held, other), "another seed, another share"


@pytest.mark.parametrize(("share", "held"), [(0.001, 1), (0.1, 4), (0.49, 20), (np.float32(0.5), 20)])
def test_the_size_of_a_share(share, held):
    run = quick(validation=share, max_steps=1)
    assert (run.history[0].value * held) % 1 == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match=f"samples left to train on {40 - held}, got 40"):
        quick(validation=share, batch_size=40)


def test_best_is_remembered_and_the_model_is_the_last():
    models = {}
    run = quick(
        max_steps=60, update=bf.SGD(0.1), validation=(X, Y), validate_every=4,
        callbacks=lambda step, run: models.update({step + 1: run.model.theta.copy()}),
    )  # fmt: skip
    values = dict(run.validation)
    assert isinstance(run.best, Best) and run.best.value == max(values.values()) > values[60]
    assert run.best.step == min(step for step, value in values.items() if value == run.best.value)
    assert_same_bits(run.best.model.theta, models[run.best.step])
    assert run.best.model.accuracy(X, Y, "exact") == run.best.value
    assert_same_bits(bf.replay(run.journal, model()), run.model.theta)
    assert_same_bits(bf.replay(run.journal, model(), to_step=run.best.step), run.best.model.theta)


def test_the_best_loss_is_the_smallest():
    mse = {"data": (X, X[:, :3]), "loss": "mse", "validation": (X, X[:, :3])}
    run = quick(**mse, validate_every=2, max_steps=21, update=bf.SGD(0.05))
    values = [value for _, value in run.validation]
    assert run.best.value == min(values) and run.metric == "loss" and len(values) == 11
    assert quick().best is None


def test_patience():
    """Three looks in a row that are no better end the run."""
    run = quick(max_steps=900, update=bf.SGD(0.3), validation=(X, Y), validate_every=4, patience=3)
    values = [value for _, value in run.validation]
    assert run.outcome_code == "early_stop" and run.steps == 4 * len(values)
    assert run.best.step == run.steps - 12 and max(values[-3:]) <= run.best.value
    assert all(max(values[k - 3 : k]) > max(values[: k - 3]) for k in range(4, len(values))), "not earlier"
    assert run.outcome.startswith(
        f"early stop after step {run.steps}: no better validation accuracy in 3; the best was "
    )
    longer = quick(max_steps=900, update=bf.SGD(0.3), validation=(X, Y), validate_every=4, patience=6)
    assert longer.validation[: len(values)] == run.validation and longer.steps > run.steps


def test_history_has_the_cost():
    run = quick(max_steps=7, validation=(X, Y), validate_every=3)
    assert [row[:1] + row[2:4] for row in run.history] == [(3, 120, 12), (6, 240, 24), (7, 280, 28)]
    assert run.validation == [(row.step, row.value) for row in run.history]
    seconds = [row.seconds for row in run.history]
    assert 0 < seconds[0] <= seconds[1] <= seconds[2] <= run.seconds


# ---- For people ----


def test_summary():
    run = quick(max_steps=8, update=bf.Adam(0.01), validation=(X, Y), validate_every=2)
    text = run.summary()
    for part in (
        "steps 8, loss ", f"validation accuracy {run.history[-1].value:.4f} after step 8, best {run.best.value:.4f} ",
        "forwards 320 (17,920 MACs), 32 loss evaluations, black-box", "steps/s)",
        "parameters 264 B, state 536 B, data 1.92 KB",
        f"theta {run.model.hash}, outcome: done",
    ):  # fmt: skip
        assert part in text, part
    assert run.memory["process_peak"] > 10_000_000
    assert run.memory["data"] == 2 * (X.nbytes + 4 * len(Y)) and run.memory["state"] == 4 * (2 * 66 + 2)
    assert "no steps" in quick(max_steps=None, max_evaluations=1).summary()


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from bpfree.screen.plots import draw_run

    run = quick(max_steps=9, validation=(X, Y), validate_every=4)
    run.plot(tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    axis = Figure().subplots()
    draw_run(axis, run)
    right = axis.figure.axes[1]
    assert axis.lines[0].get_xdata().tolist() == [40 * k for k in range(1, 10)]
    assert right.lines[0].get_xdata().tolist() == [160, 320, 360]
    assert right.lines[0].get_ydata().tolist() == [value for _, value in run.validation]


def test_progress_shows_rate_loss_validation_and_forwards(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("FORCE_COLOR", "1")
    quick(max_steps=20, progress=True, validation=(X, Y), validate_every=5)
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", screen.getvalue())
    last = [line for line in re.split(r"[\r\n]", text) if "training" in line][-1]
    assert re.search(r"training .* 20/20 .*/s .*:\d\d loss \d\.\d{4}  val accuracy 0\.\d{3}  800 forwards", last), last


def test_progress_of_a_resumed_run_begins_where_it_is(monkeypatch, tmp_path):
    begun = []
    monkeypatch.setattr(progress, "live_bar", lambda total, what, show, done=0: begun.append((total, done)) or _quiet())
    monkeypatch.setattr("bpfree.training.loop.training_bar", progress.training_bar)
    for steps in (4, 9):
        quick(max_steps=steps, checkpoint=tmp_path / "a", resume=True)
    assert begun == [(4, 0), (9, 4)]


class _quiet:
    def __enter__(self):
        return lambda done, text="": None

    def __exit__(self, *_):
        pass
