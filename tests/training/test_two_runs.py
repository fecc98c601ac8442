"""Two runs never write the same files: neither in two processes nor in one, whoever of them is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import killed_run
import pytest
from command_line import run as command
from killed_run import STEPS, results, run

import bpfree as bf
from bpfree.locks import Lock

FILES = ["run.ckpt", "run.journal"]
SLOWLY = """
import sys, time, killed_run
killed_run.run(sys.argv[1], "adam", callbacks=lambda step, run: time.sleep(0.02))
"""
AT_ONCE = """
import json, os, sys, time, killed_run
from pathlib import Path
Path(sys.argv[1], f"ready{sys.argv[2]}").touch()
while not Path(sys.argv[1], "go").exists(): time.sleep(0.001)
try:
    print(json.dumps(killed_run.results(killed_run.run(sys.argv[1], "adam", engine="exact"))))
except ValueError as error:
    print(json.dumps(str(error)))
"""
COUNTING = """
import sys, time
from pathlib import Path
from bpfree.locks import Lock
path, made, until = Path(sys.argv[1]), 0, time.monotonic() + 1.5
while time.monotonic() < until:
    try:
        lock = Lock("path", path)
    except ValueError:
        continue
    number = int(path.read_text())
    path.write_text(str(number + 1))
    made += 1
    lock.release()
print(made)
"""
FORKING = """
import os, signal, sys, time
from bpfree.locks import Lock
lock = Lock("journal", sys.argv[1])
ready, told = os.pipe()
if pid := os.fork():
    os.read(ready, 1)  # the child has begun
    print(pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
lock.release()
os.write(told, b".")
time.sleep(60)
"""


def child(program, *arguments):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, cwd=Path(killed_run.__file__).parent, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(results, bytes of the journal) of the run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return json.loads(json.dumps(results(run(folder, "adam")))), Path(folder, "run.journal").read_bytes()


def test_a_second_process_is_refused_by_name_until_the_first_is_gone(tmp_path, undisturbed):
    first = child(SLOWLY, tmp_path)
    while not (tmp_path / "run.ckpt").exists():
        assert first.poll() is None
        time.sleep(0.003)
    for changed in ({}, {"checkpoint": tmp_path / "other.ckpt"}, {"resume": False}):
        what = "journal" if "checkpoint" in changed else "checkpoint"
        with pytest.raises(ValueError, match=rf"^{what}: expected a file that no run is wr.*process {first.pid}: wait"):
            run(tmp_path, "adam", **changed)
    told = command("train", "digits", "--checkpoint", tmp_path / "run.ckpt", "--resume", "--out", tmp_path / "m.npz")
    assert told.exit_code == 2 and f"in use by process {first.pid}" in told.stderr and told.stderr.count("\n") == 1
    for file in FILES:  # readers are fine
        assert command("info", tmp_path / file).exit_code == 0
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    assert sorted(os.listdir(tmp_path)) == [".run.ckpt.lock", ".run.journal.lock", *FILES], "what it could not remove"
    assert json.loads(json.dumps(results(run(tmp_path, "adam")))) == undisturbed[0]
    assert (tmp_path / "run.journal").read_bytes() == undisturbed[1]
    assert sorted(os.listdir(tmp_path)) == FILES


def test_processes_that_start_at_one_moment_make_one_run(tmp_path, undisturbed):
    programs = [child(AT_ONCE, tmp_path, k) for k in range(2)]
    while not all((tmp_path / f"ready{k}").exists() for k in range(2)):
        assert all(program.poll() is None for program in programs)
        time.sleep(0.01)
    (tmp_path / "go").touch()
    told = [json.loads(program.communicate()[0]) for program in programs]
    assert undisturbed[0] in told
    for one in told:  # a second that came when the first was done goes on with a finished run
        assert one == undisturbed[0] or "in use by " in one
    assert (tmp_path / "run.journal").read_bytes() == undisturbed[1]


def test_a_second_run_in_the_process_is_refused_and_a_reader_is_not(tmp_path, undisturbed):
    model = bf.Sequential(6, [bf.Linear(8), bf.Tanh(), bf.Linear(3)], seed=1)
    steps = []

    def second(step, first):
        if step in (3, 30):
            with pytest.raises(ValueError, match=f"in use by process {os.getpid()}"):
                run(tmp_path, "adam")
            assert bf.theta_hash(bf.replay(tmp_path / "run.journal", model)) == first.model.hash
            steps.append(step)

    done = run(tmp_path, "adam", callbacks=second)
    assert steps == [3, 30] and json.loads(json.dumps(results(done))) == undisturbed[0]
    assert sorted(os.listdir(tmp_path)) == FILES


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("step", [0, 9])
def test_a_run_that_fails_lets_go(tmp_path, error, step):
    def fail(at, run):
        if at == step:
            raise error

    with pytest.raises(error):
        run(tmp_path, "sgd", callbacks=fail)
    assert sorted(os.listdir(tmp_path)) == FILES
    assert run(tmp_path, "sgd").steps == STEPS


def test_the_lock_is_exclusive_while_lock_files_come_and_go(tmp_path):
    """Every holder adds one to a number, by reading and writing it: none is lost, though the lock file is removed."""
    path = tmp_path / "number"
    path.write_text("0")
    programs = [child(COUNTING, path) for _ in range(3)]
    made = [int(program.communicate()[0]) for program in programs]
    assert int(path.read_text()) == sum(made) and all(made) and os.listdir(tmp_path) == ["number"]


@pytest.mark.parametrize("left", ["", "1\n", f"{os.getppid()}\n", "999999999\n"])
def test_what_is_left_of_a_lock_does_not_block(tmp_path, left):
    (tmp_path / ".a.lock").write_text(left)
    lock = Lock("journal", tmp_path / "a")
    assert lock.path.read_text() == f"{os.getpid()}\n"
    lock.release()
    lock.release()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("planted", ["text", "link", "pipe"])
def test_a_file_that_is_no_lock_is_not_written_to(tmp_path, planted):
    path, victim = tmp_path / ".a.lock", tmp_path / "victim"
    victim.write_text("name = 'mine'\n")
    if planted == "text":
        path.write_text("mine")
    elif planted == "link":
        path.symlink_to(victim)
    else:
        os.mkfifo(path)
    with pytest.raises(ValueError, match=r"^journal: expected a lock file or nothing at .*a\.lock, got something else"):
        Lock("journal", tmp_path / "a")
    assert victim.read_text() == "name = 'mine'\n" and (planted != "text" or path.read_text() == "mine")


def test_names_and_links_of_one_file_are_one_lock(tmp_path):
    long = tmp_path / ("n" * 255)
    (tmp_path / "link").symlink_to(long)
    lock = Lock("journal", long)
    with pytest.raises(ValueError, match="in use by process"):
        Lock("journal", tmp_path / "link")
    lock.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_child_that_outlives_a_killed_run_holds_no_lock(tmp_path):
    program = child(FORKING, tmp_path / "a")
    orphan = int(program.stdout.readline())
    assert program.wait() == -signal.SIGKILL and (tmp_path / ".a.lock").exists()
    os.kill(orphan, 0)  # it is there
    Lock("journal", tmp_path / "a").release()
    assert os.listdir(tmp_path) == []
    os.kill(orphan, signal.SIGKILL)
    program.stdout.close()
