"""A disk that is full at the end does not lose what was computed: it is written elsewhere, and the place is named."""

import errno
import os
import re
from pathlib import Path

import pytest
from command_line import document, run

import bpfree as bf

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def full(tmp_path_factory, monkeypatch):
    """A set of folders without room."""
    folders, move = {tmp_path_factory.mktemp("small")}, os.replace

    def replace(draft, place):
        if Path(place).parent in folders:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        move(draft, place)

    monkeypatch.setattr("bpfree.files.os.replace", replace)
    return folders


def rescued(full, *arguments):
    """The file that is written instead."""
    (small,) = full
    result = run(*arguments, small / "m.npz")
    assert result.exit_code == 1 and "nothing is left" not in result.stderr and os.listdir(small) == []
    expected = rf"{small}/m.npz: No space left on device: the (model|solution) is in (\S+) instead$"
    return Path(re.search(expected, result.stderr).group(2))


def test_a_trained_model_is_in_the_working_folder(full):
    place = rescued(full, "train", "digits", "--max-steps", 3, "--no-floor", "--out")
    assert place.parent == Path.cwd()
    assert bf.Model.load(place).hash == document("digits", "--max-steps", 3, "--no-floor")["hash"]


def test_a_solution_too(full):
    place = rescued(full, "solve", "poisson", "--max-steps", 2, "--save")
    assert bf.pde.Solution.load(place).history.steps == 2


def test_and_in_that_of_the_system_where_the_working_folder_is_full_too(full, tmp_path_factory, monkeypatch):
    (small,) = full
    full.add(Path.cwd())
    other = tmp_path_factory.mktemp("other")
    monkeypatch.setattr("tempfile.tempdir", str(other))
    result = run("train", "digits", "--max-steps", 3, "--no-floor", "--out", small / "m.npz")
    (left,) = other.iterdir()
    assert f"the model is in {left} instead" in result.stderr and bf.Model.load(left).graph.n_theta
    full.add(other)
    result = run("train", "digits", "--max-steps", 3, "--no-floor", "--out", small / "m.npz")
    assert result.exit_code == 1 and "m.npz" in result.stderr and list(other.iterdir()) == [left]
