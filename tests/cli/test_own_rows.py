"""`--rows FILE.py`: losses, operations, estimators and updates of one's own on the command line."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import document
from command_line import run as invoke

import bpfree as bf

OWN = '''
from dataclasses import dataclass
import numpy as np
import bpfree as bf

def pinball(outputs, targets):
    error = targets - outputs[:, 0]
    return np.maximum(0.9 * error, -0.1 * error)

def forward(site, arithmetic, parameters, inputs):
    return arithmetic.sin(inputs[0])

def derivative(site, arithmetic, x, y):
    return arithmetic.cos(x)

wavy = bf.elementwise_op("wavy", forward, derivative)
huber = bf.Loss("huber", lambda arithmetic, y, t: np.minimum(abs(y - t), (y - t) ** 2).sum(axis=0))

class Wave:
    def node(self, shape):
        return wavy, {}

@dataclass(frozen=True)
class Plain(bf.Update):
    lr: float = 0.1
    def transform(self, gradient, state, theta):
        return theta.dtype.type(self.lr) * gradient, state

@dataclass(frozen=True)
class Signs(bf.Differences):
    n_queries: int = 4
    averaged = 4
    def points(self, graph, seed, step):
        return bf.probe_rows(4, "rademacher", seed, step, range(4), first=0, count=graph.n_theta)
'''


def run(*arguments, exit_code=0):
    """Output of a command, as text."""
    result = invoke(*arguments)
    assert result.exit_code == exit_code, result.output
    return result.output


@pytest.fixture
def files(here, monkeypatch):
    """A file of rows, whose name no other test has taken, and data with targets."""
    name = f"rows_of_{here.name.replace('-', '_')}"
    (here / f"{name}.py").write_text(OWN)
    x = np.random.default_rng(0).uniform(size=(60, 2)).astype("f4")
    np.savez("data.npz", x=x, y=x[:, 0] + x[:, 1])
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield f"{name}.py", name
    sys.modules.pop(name, None)


def test_a_run_of_rows_of_ones_own_from_training_to_replay(files):
    path, module = files
    own = ("--rows", path)
    told = document("data.npz", *own, "--loss", "pinball", "--estimator", "Signs", "--update", "Plain", "--lr", 0.05,
                    "--layers", "linear(4) wave wavy linear(1)", "--max-steps", 12, "--journal", "run.journal",
                    "--no-floor", "--out", "own.npz")  # fmt: skip
    assert told["settings"]["loss"] == f"{module}.pinball" and told["settings"]["update"] == "Plain(lr=0.05)"
    model = bf.Model.load("own.npz", rows=[sys.modules[module].wavy])
    assert model.hash == told["hash"] and [node.op.name for node in model.graph.nodes][1:3] == ["wavy", "wavy"]

    assert "theta" in run("replay", "run.journal", *own) and told["hash"] in run("replay", "run.journal", *own)
    assert "wavy2" in run("info", "own.npz", *own)
    measured = document_of("evaluate", "own.npz", "data.npz", *own, "--loss", "pinball")
    with np.load("data.npz") as data:
        expected = sys.modules[module].pinball(model.predict(data["x"]), data["y"]).mean()
    assert measured["splits"]["train"]["loss"] == pytest.approx(float(expected), rel=1e-5)
    assert measured["loss"] == f"{module}.pinball"


def document_of(command, *arguments):
    return json.loads(invoke(command, *arguments, "--json", "-").stdout)


def test_the_report_says_the_engine_once_and_its_commands_work_when_pasted(files):
    path, module = files
    out = run("train", "data.npz", "--rows", path, "--loss", "huber", "--layers", "wave linear(1)", "--max-steps", 3,
              "--journal", "j", "--out", "m.npz")  # fmt: skip
    assert out.count("engine   reference, as node 'wavy1' (wavy) is of your own and not in C") == 1
    commands = [shlex.split(line)[1:] for line in out.partition("\nnext\n")[2].splitlines() if line.strip()]
    assert [command[0] for command in commands] == ["evaluate", "info", "replay"]
    for command in commands:
        told = run(*command)
        assert command[0] != "evaluate" or "m.npz on data, loss huber, theta" in told
        assert command[-2:] == ["--rows", path]
    told = run("export", "onnx", "m.npz", "m.onnx", "--rows", path, exit_code=2)
    assert "node 'wavy1' (wavy): expected an operation that has nodes of ONNX" in told.replace("\n", " ")
    told = run("export", "firmware", "m.npz", "firmware", "--rows", path, exit_code=2)
    assert "node 'wavy1' (wavy): of one's own, and so not in C" in told.replace("\n", " ")


PROBLEM = '''
class Decay(bf.pde.Problem):
    domain, conditions = bf.pde.Box(t=(0, 1)), [bf.pde.Initial(1.0)]
    def residual(self, u, c):
        return u.t + u

@dataclass(frozen=True)
class Central(bf.pde.Rule):
    def along(self, layout, dtype, seed=0, step=0):
        weights = np.array([[1, 0, 0], [0, 256.0, -256.0]])
        return bf.pde.Stencil(layout, np.array([[0.0], [1 / 512], [-1 / 512]]), weights[: layout.streams.count], self)
'''


def test_a_problem_and_a_rule_of_ones_own_are_solved(files, here):
    path, _ = files
    (here / path).write_text(OWN + PROBLEM)
    told = document_of("solve", "Decay", "--rows", path, "--rule", "Central", "--points", 20, "--max-steps", 5)
    assert "Central" in json.dumps(told) and told["problem"] == "Decay"


def test_workers_import_the_file(files):
    path, _ = files
    settings = ("data.npz", "--rows", path, "--loss", "pinball", "--max-steps", 3, "--no-floor")
    alone = document(*settings)
    assert document(*settings, "--workers", 2)["hash"] == alone["hash"]


@pytest.mark.parametrize(("arguments", "message"), [
    (("--loss", "pinball"), "'pinball' is not one of 'cross_entropy', 'softmax_cross_entropy', 'mse'"),
    (("--rows", "ROWS", "--loss", "quantile"), "'quantile' is not one of"),
    (("--rows", "ROWS", "--loss", "pinball", "--engine", "compiled"), "--engine: expected 'reference' or 'exact', or"),
    (("--rows", "missing.py"), "'missing.py' does not exist"),
    (("--rows", "data.npz"), "--rows: expected the path of a module, such as own.py, got data.npz"),
    (("--rows", "broken.py"), "--rows: broken.py: ZeroDivisionError: division by zero"),
    (("--rows", "json.py"), "--rows: expected a name that no other module has, got json.py: rename it"),
    (("--rows", "ROWS", "--update", "Signs"), "'Signs' is not one of"),
    (("--rows", "ROWS", "--loss", "forward"), "--loss: expected "),
])  # fmt: skip
def test_mistakes_are_one_line(files, here, arguments, message):
    (here / "broken.py").write_text("1 / 0")
    (here / "json.py").write_text("")
    arguments = [files[0] if part == "ROWS" else part for part in arguments]
    out = run("train", "data.npz", "--max-steps", 1, *arguments, exit_code=2)
    assert message in out.replace("\n", " ")


def test_what_a_file_needs_is_said(files):
    path, _ = files
    run("train", "data.npz", "--rows", path, "--layers", "wavy linear(1)", "--max-steps", 1, "--out", "m.npz")
    for command in (("info", "m.npz"), ("evaluate", "m.npz", "data.npz")):
        out = run(*command, exit_code=1)
        assert "m.npz: needs rows that are not given: wavy: give them in rows=[...], on the command line by --" in out
    run("train", "data.npz", "--max-steps", 1, "--out", "m.npz")  # it is a model, and may be replaced by one
    assert "linear" in run("info", "m.npz")


def test_a_program_and_its_file_name_a_function_alike(files, here):
    """What a script names in its journal is what another program finds in its file."""
    path, module = files
    (here / path).write_text(OWN + '''
if __name__ == "__main__":
    x, y = np.eye(4, dtype="f4"), np.arange(4.0)
    model = bf.Sequential(4, [bf.Linear(1)])
    model.save("script.journal.start.npz")
    run = bf.train(model, (x, y), loss=pinball, estimator=Signs(), update=Plain(), batch_size=2, max_steps=5,
                   journal="script.journal")
    print(run.model.hash)
''')
    printed = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True).stdout
    assert printed.strip() in run("replay", "script.journal", "--rows", path)
    assert f"{module}.pinball" in run("info", "script.journal")


def test_no_device_is_advised_for_a_loss_of_ones_own_and_the_loss_is(files):
    path, _ = files
    out = run("train", "data.npz", "--rows", path, "--loss", "pinball", "--max-steps", 1, "--no-floor")
    assert "bpfree evaluate bpfree-data.npz data.npz --loss pinball --rows" in out and "firmware" not in out
    out = run("train", "data.npz", "--rows", path, "--loss", "mse", "--update", "Plain", "--max-steps", 1)
    assert "export firmware" in out and "--loss" not in out


MISTAKES = '''
class Base(bf.Update):
    def transform(self, gradient, state, theta):
        return gradient, state

@dataclass(frozen=True)
class Needy(bf.Update, name="needy"):
    power: float
    lr: float = 0.1
    def transform(self, gradient, state, theta):
        return gradient, state

@dataclass(frozen=True)
class Rated(bf.Update, name="rated"):
    lr: float | bf.Schedule = 0.1
    def transform(self, gradient, state, theta):
        return theta.dtype.type(self.lr) * gradient, state

@dataclass(frozen=True)
class Short(bf.Update):
    lr: float = 0.1
    def transform(self, gradient):
        return gradient

@dataclass(frozen=True)
class Half(bf.Differences, name="half_way"):
    pass

def flat(site, arithmetic, parameters, inputs):
    return np.ones((2, 3)) @ np.ones(2)

flat_op = bf.elementwise_op("flat", flat, derivative)
'''


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (("--update", "Base"), 2, "--update: expected a dataclass of its settings, got Base: put @dataclass(frozen=True)"),
    (("--update", "needy"), 2, "--update Needy: expected a value of power, got none: give the field a default"),
    (("--update", "rated", "--lr-schedule", "cosine_decay"), 1, "): TypeError: float() argument must be"),
    (("--update", "Short"), 1, "Short.transform() takes 2 positional arguments but 4 were given"),
    (("--estimator", "half_way"), 1, "Half: expected a method `points`, got none"),
    (("--layers", "flat_op linear(1)"), 2, "op: expected forward of 'flat' to give numbers of (site, arithmetic"),
    (("--update", "haste"), 2, "'window_momentum', 'Plain', 'Base', 'Needy', 'Rated', 'Short'"),
    (("--loss", "quantile"), 2, "'mse', 'pinball', 'forward', 'derivative', 'huber', 'flat'"),
])  # fmt: skip
def test_an_error_of_a_row_is_one_line_that_names_it(files, here, arguments, code, message):
    (here / files[0]).write_text(OWN + MISTAKES)
    result = invoke("train", "data.npz", "--rows", files[0], "--max-steps", 1, *arguments)
    line = result.stderr.splitlines()[-1]
    assert result.exit_code == code and message in line
    assert not message.startswith("): ") or re.search(rf"Rated.transform \({files[0]}, line \d+\): ", line)


def test_an_error_in_a_worker_process_is_one_line_too(files, here):
    (here / files[0]).write_text(OWN + MISTAKES)
    settings = ("--rows", files[0], "--layers", "flat_op linear(1)", "--max-steps", 2, "--workers", 2)
    result = invoke("train", "data.npz", *settings)
    assert result.exit_code == 1 and f"flat ({files[0]}, line " in result.stderr.splitlines()[-1]


def test_what_is_not_asked_for_does_no_harm(files, here):
    (here / files[0]).write_text(OWN + MISTAKES)
    run("train", "data.npz", "--rows", files[0], "--max-steps", 1)


def test_a_bug_of_ours_keeps_its_traceback(files, monkeypatch):
    def broken(*arguments, **settings):
        raise RuntimeError("a bug")

    monkeypatch.setattr("bpfree.training.loop.train", broken)
    with pytest.raises(RuntimeError, match="^a bug$"):
        invoke("train", "data.npz", "--rows", files[0], "--max-steps", 1)


def test_a_loss_by_two_names_is_one(files, here):
    (here / files[0]).write_text(
        OWN + "\nloss = pinball\nagain = bf.Loss.of(pinball)\nq = bf.Loss.of(pinball, 'quantile')\n"
    )
    told = document("data.npz", "--rows", files[0], "--loss", "loss", "--max-steps", 3, "--journal", "j", "--no-floor")
    assert told["hash"] in run("replay", "j", "--rows", files[0])
    for name in ("q", "quantile"):  # in Python, and given
        assert document("data.npz", "--rows", files[0], "--loss", name, "--max-steps", 3)["hash"] == told["hash"]
    needed = run("replay", "j", exit_code=1)
    assert f"settings: needs rows that are not given: {files[1]}.pinball: give them in" in needed


THREE = '''
def levels(outputs, targets):
    return abs(targets[:, None] - outputs + np.array([[-0.1, 0.0, 0.1]])).mean(axis=1)
'''


def test_a_loss_of_ones_own_says_how_many_outputs_it_wants(files, here):
    (here / files[0]).write_text(OWN + THREE)
    own = ("--rows", files[0], "--loss", "levels")
    run("train", "data.npz", *own, "--layers", "linear(4) tanh linear(3)", "--max-steps", 2, "--out", "three.npz")
    assert "levels" in run("evaluate", "three.npz", "data.npz", *own)
    out = run("train", "data.npz", "--layers", "linear(3)", "--max-steps", 2, exit_code=2)
    assert "expected a network of 1 outputs for the targets of data, got one of 3" in out.replace("\n", " ")


def test_the_command_of_the_example_trains_its_three_quantiles(files):
    example = Path(__file__).parents[2] / "examples" / "own_loss.py"
    typed = re.search(r"`bpfree (train .*?)`", example.read_text()).group(1)
    arguments = [str(example) if part.endswith("own_loss.py") else part for part in shlex.split(typed)]
    run(*arguments, "--max-steps", 2, "--out", "quantiles.npz")
    assert bf.Model.load("quantiles.npz").graph.output.size == 3
    out = run("train", "data.npz", *arguments[2:6], "--max-steps", 2, exit_code=2)
    assert "ValueError: outputs: expected 3, one a level, got 1" in out.replace("\n", " ")
    sys.modules.pop("own_loss")
