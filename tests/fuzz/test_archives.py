"""Models, checkpoints, ask-and-tell runs, solutions and data files with something changed."""

import shutil

import click
import numpy as np
import pytest
from fuzzing import fuzz
from mutations import changed_npz, pick

import bpfree as bf
from bpfree.cli import info, info_runs
from bpfree.cli.data import load as load_data
from bpfree.errors import FormatError

X, Y = np.random.default_rng(0).standard_normal((12, 8)).astype(np.float32), np.arange(12) % 3
MODEL = bf.Sequential(8, [bf.Linear(3)], seed=1)
MODELS = [
    bf.Sequential((2, 4), [bf.Flatten(), bf.Linear(5), bf.Residual(bf.Tanh()), bf.Linear(3)], seed=1).freeze(
        "linear2.*"
    ),
    bf.Sequential(8, [bf.TTLinear((2, 4), (3, 2), rank=2), bf.Softmax(), bf.Scale(2.0)]),
]
RUN = {"estimator": bf.RGE(2), "update": bf.Adam(0.01), "validation": (X, Y), "validate_every": 2, "batch_size": 4,
       "max_steps": 6, "engine": "exact"}  # fmt: skip


def bytes_of(save, path) -> bytes:
    save(path)
    return path.read_bytes()


@pytest.fixture
def models(tmp_path):
    return [bytes_of(model.save, tmp_path / "seed.npz") for model in MODELS]


@pytest.fixture
def checkpoint(tmp_path):
    return bytes_of(lambda path: bf.train(MODEL, (X, Y), checkpoint=path, **RUN), tmp_path / "seed.ckpt")


@pytest.fixture
def through(tmp_path):
    """through(read): what reads the bytes of a file, by its path."""
    place = tmp_path / "case.npz"

    def by_path(read):
        def given(data):
            place.write_bytes(data)
            return read(place)

        return given

    return by_path


def use(path):
    model = bf.Model.load(path)
    assert repr(model) and model.hash and model.rows() and model.graph.hash()
    if max(tensor.size for tensor in model.graph.tensors) < 10**5:
        model.predict(np.zeros((1, model.graph.input.size)), "reference")


def test_models(models, through):
    fuzz(lambda r: changed_npz(r, pick(r, models), ["graph"]), through(use), FormatError)


def test_info_on_models_and_checkpoints(models, checkpoint, through):
    looks = {"model": lambda path: info.describe(bf.Model.load(path)), "checkpoint": info_runs.checkpoint,
             "journal": info_runs.journal}  # fmt: skip

    def make(r):
        if r.random() < 0.5:
            return changed_npz(r, pick(r, models), ["graph"])
        return changed_npz(r, checkpoint, ["checkpoint"])

    fuzz(make, through(lambda path: looks[info_runs.kind_of(path)](path)), FormatError)


def test_checkpoints_to_go_on_from(checkpoint, through, tmp_path):
    def resume(path):
        shutil.copy(path, tmp_path / "again.ckpt")
        try:
            bf.train(MODEL, (X, Y), checkpoint=tmp_path / "again.ckpt", resume=True, **RUN)
        except ValueError as error:  # the checkpoint of another run
            if isinstance(error, FormatError) or not str(error).startswith("checkpoint: "):
                raise

    fuzz(lambda r: changed_npz(r, checkpoint, ["graph", "checkpoint", "checkpoint"]), through(resume), FormatError)


def ask_tell():
    return bf.RGE(n_queries=2).start(np.zeros(4), seed=1, update=bf.Adam(0.1))


def test_ask_and_tell_runs(through, tmp_path):
    run = ask_tell()
    run.tell([1.0, 2.0, 0.5, 1.5])
    data = bytes_of(run.save, tmp_path / "seed.npz")

    def restore(path):
        try:
            ask_tell().restore(path)
        except ValueError as error:  # of another run
            if isinstance(error, FormatError) or not str(error).startswith("restore: "):
                raise

    fuzz(lambda r: changed_npz(r, data, ["asktell"]), through(restore), FormatError)


def test_solutions(through, tmp_path):
    solution = bf.pde.solve(bf.pde.Poisson(), points=20, max_steps=2)
    data = bytes_of(solution.save, tmp_path / "seed.npz")

    def load(path):
        try:
            bf.pde.Solution.load(path)
        except ValueError as error:  # of a problem that is to be given
            if isinstance(error, FormatError) or not str(error).startswith("problem: "):
                raise

    fuzz(lambda r: changed_npz(r, data, ["solution"]), through(load), FormatError)


def test_data_files(through, tmp_path):
    np.savez(tmp_path / "seed.npz", x=X, y=Y, x_test=X, y_test=Y)
    data = (tmp_path / "seed.npz").read_bytes()

    def load(path):
        found = load_data(str(path))
        assert found.describe() and found.loss and found.with_validation(0.3)

    fuzz(lambda r: changed_npz(r, data), through(load), (FormatError, click.BadParameter))
