"""A disk that is full: the error names the file and says how to go on, and what was there before is whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import killed_run
import pytest
from command_line import run as command
from killed_run import results, run

import bpfree as bf
from bpfree import files

LIMITED = """
import json, resource, sys, killed_run
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    killed_run.run(sys.argv[1], "adam", engine="exact")
except OSError as error:
    print(json.dumps([error.filename, error.strerror, error.__notes__]))
"""


def full(*arguments):
    raise OSError(28, "No space left on device")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    whole = results(run(folder, "adam"))
    return whole, Path(folder, "run.journal").read_bytes(), Path(folder, "run.ckpt").stat().st_size


@pytest.mark.parametrize("file", ["run.journal", "run.ckpt"])
def test_the_system_takes_no_more_bytes(tmp_path, undisturbed, file):
    """A real limit: the journal's last record is cut in the middle, or the checkpoint outgrows what is free."""
    whole, journal, size = undisturbed
    assert len(journal) < size, "so that a limit between them stops the checkpoint alone"
    limit = len(journal) - 1001 if file == "run.journal" else size - 500
    program = [sys.executable, "-c", LIMITED, str(tmp_path), str(limit)]
    if file == "run.journal":
        program[2] = LIMITED.replace('"adam", engine', '"adam", checkpoint_every=10**6, engine')
        run(tmp_path, "adam", max_steps=1)
        before = (tmp_path / "run.ckpt").read_bytes()
    done = subprocess.run(program, capture_output=True, text=True, cwd=Path(killed_run.__file__).parent)
    assert done.returncode == 0 and done.stdout, done.stderr
    named, told, notes = json.loads(done.stdout)
    assert named == str(tmp_path / file) and told == os.strerror(27)
    assert "the same call with resume=True goes on there" in notes[0] and str(tmp_path / "run.ckpt") in notes[0]
    assert sorted(os.listdir(tmp_path)) == ["run.ckpt", "run.journal"]
    assert bf.Model.load(tmp_path / "run.ckpt") and bf.Journal.read(tmp_path / "run.journal").torn == 0
    if file == "run.journal":
        assert (tmp_path / "run.ckpt").read_bytes() == before, "it would be too large as well"
    assert json.loads(json.dumps(results(run(tmp_path, "adam")))) == json.loads(json.dumps(whole))
    assert (tmp_path / "run.journal").read_bytes() == journal


def test_the_command_line_says_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ("train", "digits", "--max-steps", 3, "--no-floor", "--out", "m.npz")
    assert command(*arguments).exit_code == 0
    old = Path("m.npz").read_bytes()
    replace = os.replace
    for kept in ((), ("--checkpoint", "run.ckpt")):
        with monkeypatch.context() as patch:
            patch.setattr(files.os, "replace", lambda a, b: full() if Path(b).name == "m.npz" else replace(a, b))
            result = command(*arguments, *kept)
        assert result.exit_code == 1 and "m.npz: No space left on device" in result.stderr
        assert "Traceback" not in result.stderr
        assert Path("m.npz").read_bytes() == old
        (rescued,) = tmp_path.glob("m-*.npz")
        assert f"the model is in {rescued} instead" in result.stderr and rescued.read_bytes() == old
        rescued.unlink()
    assert command(*arguments, "--checkpoint", "run.ckpt", "--resume").exit_code == 0, "the disk has room again"
    assert sorted(os.listdir(tmp_path)) == ["m.npz", "run.ckpt"]


def test_a_journal_that_cannot_be_written_leaves_no_file(tmp_path, monkeypatch):
    done = run(tmp_path, "sgd", max_steps=3)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*other\.journal'"):
        done.journal.write(tmp_path / "other.journal")
    assert sorted(os.listdir(tmp_path)) == ["run.ckpt", "run.journal"]
