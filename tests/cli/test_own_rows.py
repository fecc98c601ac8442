"""`--rows FILE.py`: losses, operations, estimators and updates of one's own on the command line."""

import json
import shlex
import subprocess
import sys

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
    """What a command prints."""
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
    assert [command[0] for command in commands] == ["evaluate", "info", "export", "replay"]
    for command in commands:
        if command[0] != "export":
            run(*command)
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
    out = run("info", "m.npz", exit_code=1)
    assert "got 'wavy'; one of your own is given in rows=[...], on the command line by --rows FILE.py" in out


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
