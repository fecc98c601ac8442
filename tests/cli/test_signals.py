"""SIGTERM, with which services and queues end a process, saves what Ctrl-C saves."""

import json
import re
import shlex
import signal
from pathlib import Path

import numpy as np
import pytest
from command_line import document, interrupted, run

import bpfree as bf
from bpfree.cli.interrupt import StoppedAtOnce, asked_to_stop

SHORT = ("--no-floor", "--n-queries", "2")
KEPT = ("--checkpoint", "run.ckpt", "--journal", "run.journal", "--checkpoint-every", "5")


def test_sigterm_and_the_command_it_advises_is_the_run_without_it():
    code, out, err = interrupted(1, *SHORT, *KEPT, "--json", "told.json", number=signal.SIGTERM)
    assert code == 143 and "Traceback" not in err and "ending after this step (a second SIGTERM ends it at once)" in err
    steps = int(re.search(r"interrupted by SIGTERM after step ([\d,]+)", out).group(1).replace(",", ""))
    told = json.loads(Path("told.json").read_text())
    assert told["outcome_code"] == "interrupted" and told["steps"] == steps
    assert bf.Model.load("bpfree-digits.npz").hash == told["hash"] == bf.Model.load("run.ckpt").hash
    assert run("info", "run.journal").exit_code == run("info", "run.ckpt").exit_code == 0
    line = out.split("\nnext\n")[1].splitlines()[0]
    told = json.loads(run(*shlex.split(line)[1:], "--max-steps", steps + 5, "--json", "-").stdout)
    whole = document("digits", *SHORT, "--max-steps", steps + 5, "--out", "whole.npz")
    assert told["steps"] == steps + 5 and told["hash"] == whole["hash"]


def test_a_second_sigterm_ends_at_once_and_leaves_both_files_whole():
    code, _, err = interrupted(2, *SHORT, *KEPT, number=signal.SIGTERM)
    assert code in (143, -signal.SIGTERM) and "Traceback" not in err  # the second may arrive while Python exits
    told = json.loads(run("info", "run.ckpt", "--json", "-").stdout)
    assert told["steps"] == json.loads(run("info", "run.journal", "--json", "-").stdout)["steps"] > 0
    assert {path.name for path in Path().iterdir()} - {"bpfree-digits.npz"} == {
        "run.ckpt", "run.journal", "run.journal.start.npz",
    }  # fmt: skip


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_solve_writes_what_it_has_and_says_which_signal_it_was(monkeypatch, number, expected):
    def solve(*arguments, callbacks, real=bf.pde.solve, **settings):
        def interrupt(step, history):
            return signal.raise_signal(number) if step == 2 else None

        return real(*arguments, callbacks=(interrupt, callbacks), **settings)

    monkeypatch.setattr(bf.pde, "solve", solve)
    result = run("solve", "poisson", "--max-steps", 50, "--save", "u.npz", "--json", "-")
    told = json.loads(result.stdout)
    assert result.exit_code == expected and (told["outcome"], told["steps"]) == ("callback", 3)
    assert bf.pde.Solution.load("u.npz").history.steps == 3
    assert told["advice"] == f"interrupted by {'SIGTERM' if expected == 143 else 'Ctrl-C'} after step 3"


def test_the_first_signal_after_the_steps_of_a_solve_ends_it(monkeypatch):
    monkeypatch.setattr(bf.pde.Solution, "summary", lambda self: signal.raise_signal(signal.SIGTERM))
    result = run("solve", "poisson", "--max-steps", 2, "--save", "u.npz")
    assert result.exit_code == 143 and not Path("u.npz").exists()


def test_the_first_asks_and_the_second_ends():
    with pytest.raises(StoppedAtOnce) as ended, asked_to_stop() as stop:
        assert not stop.asked
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked and stop.exit_code == 143
        signal.raise_signal(signal.SIGINT)
    assert ended.value.exit_code == 130
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_a_signal_while_the_report_is_written_does_not_cut_it(monkeypatch):
    """The run is over: report, model and JSON are whole, and the exit code is that of the run."""
    measure = bf.cli.train._Prepared.measure

    def interrupt(self, run):
        signal.raise_signal(signal.SIGTERM)
        return measure(self, run)

    monkeypatch.setattr("bpfree.cli.train._Prepared.measure", interrupt)
    told = document("digits", *SHORT, "--max-steps", 3)
    assert told["outcome_code"] == "done" and np.isfinite(told["test"]["accuracy"])
