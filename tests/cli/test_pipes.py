"""A pipe, a device or a folder where a file is read: refused at once in one line, where a pipe would be waited for."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import run

import bpfree as bf


@pytest.fixture(autouse=True)
def there(here):
    for name in ("pipe", "pipe.npz", "pipe.py"):
        os.mkfifo(name)
    bf.Sequential(64, [bf.Linear(10)]).save("m.npz")
    shutil.copy("m.npz", "pipe.start.npz")
    Path("folder.npz").mkdir()


@pytest.mark.parametrize(
    "arguments",
    [
        *(("info", file) for file in ("pipe", "/dev/zero", "folder.npz")),
        *(("evaluate", file, "digits") for file in ("pipe.npz", "/dev/zero", "folder.npz")),
        *(("evaluate", "m.npz", file) for file in ("pipe.npz", "folder.npz")),
        *(("train", file) for file in ("pipe.npz", "/dev/zero", "folder.npz")),
        *(("train", "digits", "--model", file) for file in ("pipe.npz", "/dev/zero", "folder.npz")),
        ("train", "digits", "--rows", "pipe.py"),
        ("train", "digits", "--checkpoint", "pipe"),
        ("train", "digits", "--checkpoint", "pipe", "--resume"),
        ("train", "digits", "--checkpoint", "new", "--resume", "--journal", "pipe"),
        *(("replay", file) for file in ("pipe", "folder.npz")),
        *(("replay", "m.npz", file) for file in ("pipe.npz", "/dev/zero", "folder.npz")),
        *(("export", "onnx", file, "m.onnx") for file in ("pipe.npz", "/dev/zero", "folder.npz")),
        *(("export", "firmware", file, "new") for file in ("pipe.npz", "/dev/zero", "folder.npz")),
        ("export", "firmware", "m.npz", "new", "--data", "pipe.npz"),
    ],
    ids=" ".join,
)
def test_no_reader_waits_for_a_pipe(arguments):
    before = sorted(os.listdir())
    result = run(*arguments)
    assert result.exit_code in (1, 2) and result.stderr.count("\n") == 1, result.output
    assert sorted(os.listdir()) == before


def test_in_a_process_of_its_own():
    """Where a wait would be seen as one."""
    done = subprocess.run([sys.executable, "-m", "bpfree", "info", "pipe"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr == "bpfree info: pipe: expected a file, got a pipe\n"


@pytest.mark.parametrize(
    "arguments",
    [
        *(("train", "digits", "--max-steps", 3, option, "pipe") for option in ("--out", "--json", "--checkpoint")),
        ("train", "digits", "--max-steps", 3, "--journal", "pipe"),
        *(("solve", "heat", "--max-steps", 1, option, "pipe") for option in ("--save", "--json")),
        ("info", "m.npz", "--json", "pipe"),
        ("export", "onnx", "m.npz", "pipe"),
        ("replay", "m.npz", "--out", "pipe"),
    ],
    ids=lambda arguments: " ".join(map(str, arguments)),
)
def test_a_pipe_that_nobody_reads_is_refused_before_anything_is_computed(arguments):
    before = sorted(os.listdir())
    result = run(*arguments)
    assert result.exit_code == 2 and result.stdout == "" and sorted(os.listdir()) == before
    assert "pipe: nobody reads this pipe: start its reader first" in result.stderr and result.stderr.count("\n") == 1


def test_a_pipe_that_is_read_gets_the_whole_result():
    with subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE) as reader:
        command = [sys.executable, "-m", "bpfree", "info", "m.npz", "--json", "pipe"]
        deadline = time.monotonic() + 60
        while (done := subprocess.run(command, capture_output=True, timeout=120)).returncode == 2:
            assert time.monotonic() < deadline and b"nobody reads" in done.stderr  # cat has not begun yet
        assert done.returncode == 0
        assert json.loads(reader.stdout.read())["command"] == "info"
