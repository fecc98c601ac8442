"""Worker processes: same bits, killed and hung ones, nothing left behind."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import executor_fakes
import numpy as np
import pytest
from executor_fakes import MODEL, FailingEngine, train

import bpfree as bf
from bpfree.errors import WorkerError
from bpfree.executors import pool as pools
from bpfree.executors.shared import SharedArrays

TESTS = Path(executor_fakes.__file__).parent


@pytest.fixture(scope="module")
def two():
    """Two workers, started once."""
    with bf.Processes(2, "exact") as engine:
        yield engine


def pids(engine):
    return [worker.process.pid for worker in engine._pool.workers]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.mark.parametrize("estimator", [bf.RGE(n_queries=10), bf.CGE(0.3, two_sided=False), bf.CGE()], ids=str)
def test_same_run(two, estimator):
    run, alone = train(two, estimator), train("exact", estimator)
    assert run.model.hash == alone.model.hash and run.losses == alone.losses and run.forwards == alone.forwards


@pytest.mark.parametrize("workers", [1, 3, 5])
def test_any_number_of_workers(workers):
    with bf.Processes(workers, "compiled") as engine:
        assert train(engine).model.hash == train("compiled").model.hash
        assert len(set(pids(engine))) == workers


def test_other_models_losses_and_larger_batches_follow(two):
    for features, outputs, n in ((3, 2, 5), (50, 4, 400), (3, 2, 5)):
        x, y = np.random.default_rng(n).normal(size=(n, features)).astype("f4"), np.arange(n) % outputs
        model = bf.Sequential(features, [bf.Linear(outputs)])
        for target, loss in ((y, "cross_entropy"), (np.eye(outputs, dtype="f4")[y], "mse")):
            given = {"loss": loss, "max_steps": 2, "batch_size": n}
            hashes = {bf.train(model, (x, target), engine=engine, **given).model.hash for engine in (two, "exact")}
            assert len(hashes) == 1


def test_constants_may_change_between_steps(two):
    graph = bf.Sequential(4, [bf.Linear(3)]).graph
    batch = bf.engines.Batch(np.eye(4, dtype="f4"), np.arange(4, dtype="u4") % 3)
    from bpfree.losses import get_loss

    probes = bf.RGE(n_queries=4).ask(graph, 0, 0)
    for theta in (np.zeros(15, "f4"), np.ones(15, "f4")):
        given = (graph, theta, np.zeros(0, "f4"), batch, get_loss("cross_entropy"), probes)
        assert (two.evaluate(*given)[0] == bf.ReferenceEngine(exact=True).evaluate(*given)[0]).all()


def test_one_worker_that_is_killed_changes_nothing(two):
    killed = []

    def kill(step, run):
        if step in (1, 3):
            killed.append(pids(two)[step % 2])
            os.kill(killed[-1], signal.SIGKILL)

    assert train(two, callbacks=kill).model.hash == train("exact").model.hash
    assert len(set(killed)) == 2 and not set(killed) & set(pids(two)) and len(pids(two)) == 2


class Suicide(FailingEngine):
    """Kills its process at a probe of this step; once, or always: `error` is the path of a mark."""

    def evaluate(self, graph, theta, frozen, batch, loss, probes):
        if os.environ.get("OPENBLAS_NUM_THREADS") == "1" and probes[0].step == self.at_step and probes[0].query == 0:
            if self.error == "always" or not Path(self.error).exists():
                Path(self.error).touch() if self.error != "always" else None
                os.kill(os.getpid(), signal.SIGKILL)
        return self.exact.evaluate(graph, theta, frozen, batch, loss, probes)


@pytest.mark.parametrize("how", ["once", "always"])
def test_a_worker_that_dies_at_a_range(tmp_path, how, monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    alone = train("exact").model.hash
    with bf.Processes(2, Suicide(str(tmp_path / "mark") if how == "once" else how, 2)) as engine:
        assert train(engine).model.hash == alone
    (tmp_path / "mark").unlink(missing_ok=True)
    lost = []
    with bf.Processes(2, Suicide(str(tmp_path / "mark") if how == "once" else how, 2), timeout=60) as engine:
        run = train(engine, callbacks=lambda step, run: lost.append(int((run.coefficients == 0).sum())))
    assert run.model.hash != alone
    assert lost == [0, 0, 1, 0, 0, 0]  # the first of 8 ranges: 1 of 10 queries


def test_a_hung_worker_is_given_up_and_replaced():
    with bf.Processes(2, "exact", timeout=0.5) as engine:
        train(engine, steps=1)
        hung, other = pids(engine)
        lost = []

        def stop(step, run):
            lost.append(int((run.coefficients == 0).sum()))
            if step == 1:
                os.kill(hung, signal.SIGSTOP)

        run = train(engine, steps=4, callbacks=stop)
        assert lost[0] == lost[1] == 0 and 0 < lost[2] < 10 and lost[3] == 0
        assert engine.lost == 2 * lost[2]  # probes of pairs
        assert hung not in pids(engine) and other in pids(engine) and not alive(hung)
        assert (bf.replay(run.journal, MODEL) == run.model.theta).all()


def test_all_hung_is_evaluated_here():
    with bf.Processes(2, "exact", timeout=0.5) as engine:
        train(engine, steps=1)
        for pid in pids(engine):
            os.kill(pid, signal.SIGSTOP)
        assert train(engine).model.hash == train("exact").model.hash


@pytest.mark.parametrize(("error", "kind", "text"), [
    ("seven", ArithmeticError, "seven"), ("peculiar", RuntimeError, "Peculiar: this and that"),
])  # fmt: skip
def test_errors_in_a_worker_are_raised_here(error, kind, text):
    with bf.Processes(2, FailingEngine(error, 3)) as engine:
        with pytest.raises(kind) as raised:
            train(engine)
        assert str(raised.value) == text and type(raised.value) is kind
        assert "in a worker process" in raised.value.__notes__[0] and "executor_fakes.py" in raised.value.__notes__[0]
        assert train(engine, steps=3).model.hash == train("exact", steps=3).model.hash  # and it goes on


def test_workers_that_do_not_start_are_an_error(monkeypatch, capfd):
    monkeypatch.setattr(pools, "_BOOT", "raise SystemExit('no such thing')")
    with bf.Processes(2, "exact") as engine, pytest.raises(WorkerError, match="did not start: it ended with status 1"):
        train(engine)
    assert "no such thing" in capfd.readouterr().err
    monkeypatch.setattr(pools, "_BOOT", "import time; time.sleep(100)")
    monkeypatch.setattr(pools, "START_S", 0.2)
    with bf.Processes(2, "exact") as engine, pytest.raises(WorkerError, match="not ready after 0.2 s"):
        train(engine)


def test_one_worker_that_does_not_start_leaves_no_other_half_started(monkeypatch):
    monkeypatch.setattr(pools, "START_S", 5.0)
    boot, made = pools._BOOT, []
    start = pools.WorkerProcess.__init__

    def first_fails(self, memory):
        monkeypatch.setattr(pools, "_BOOT", boot if made else "raise SystemExit(1)")
        start(self, memory)
        made.append(self)

    monkeypatch.setattr(pools.WorkerProcess, "__init__", first_fails)
    with bf.Processes(2, "exact") as engine:
        with pytest.raises(WorkerError):
            train(engine)
        assert not engine._pool.workers and not any(alive(worker.process.pid) for worker in made)
        monkeypatch.setattr(pools, "START_S", 60.0)
        assert train(engine).model.hash == train("exact").model.hash


def test_an_interrupt_in_the_middle_of_anything_leaves_the_next_run_right(two):
    """KeyboardInterrupt at the n-th send, receive or wait."""
    alone = train("exact").model.hash
    for where in ("give", "take", "wait_until_ready"):
        for after in (0, 3):
            real, count = getattr(pools.WorkerProcess, where), [0]

            def interrupted(self, *arguments, real=real, count=count, after=after):
                count[0] += 1
                if count[0] > after:
                    raise KeyboardInterrupt
                return real(self, *arguments)

            if where == "wait_until_ready":
                two.close()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(pools.WorkerProcess, where, interrupted)
                if after == 0 or where != "wait_until_ready":
                    with pytest.raises(KeyboardInterrupt):
                        train(two)
            assert train(two).model.hash == alone


def test_workers_have_one_blas_thread(two, monkeypatch):
    train(two, steps=1)
    if not Path("/proc").exists():
        pytest.skip("no /proc to look into")
    for pid in pids(two):
        assert b"OPENBLAS_NUM_THREADS=1" in Path(f"/proc/{pid}/environ").read_bytes()
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1


def test_close_and_garbage_end_the_workers():
    open_before = len(os.listdir("/dev/fd"))
    engine = bf.Processes(2, "exact")
    for end in (lambda: engine.close(), lambda: engine.close(), None):
        train(engine, steps=1)
        first = pids(engine)
        if end is None:
            del engine
            gc.collect()
        else:
            end()
        assert not any(map(alive, first))
        assert len(os.listdir("/dev/fd")) == open_before


def test_a_forked_process_has_workers_of_its_own(two):
    alone = train(two).model.hash
    before = pids(two)
    read, write = os.pipe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *a, **k: None)
        child = os.fork()
    if child == 0:
        run = train(two)
        os.write(write, f"{run.model.hash} {set(pids(two)) & set(before)}".encode())
        two._pool.end()
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == f"{alone} set()"
    os.waitpid(child, 0)
    assert train(two).model.hash == alone and pids(two) == before


PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
sys.path.insert(0, {tests!r})
import bpfree as bf
import executor_fakes
from executor_fakes import train
engine = bf.Processes(2, "exact")
def callback(step, run):
    if step == 1:
        print(*(worker.process.pid for worker in engine._pool.workers), flush=True)
        {what}
train(engine, callbacks=callback, steps=100000)
"""


@pytest.mark.parametrize("how", ["exception", "interrupt", "exit", "kill", "interrupt the group"])
def test_nothing_is_left_however_a_program_ends(how, tmp_path):
    what = {
        "exception": "raise ZeroDivisionError",
        "exit": "sys.exit(3)",
        "kill": "os.kill(os.getpid(), signal.SIGKILL)",
        "interrupt": "os.kill(os.getpid(), signal.SIGINT)",
        "interrupt the group": "pass",
    }[how]
    shared_before = set(os.listdir("/dev/shm")) if Path("/dev/shm").exists() else set()
    files_before = set(os.listdir(tmp_path))
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(tests=str(TESTS), what=what)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    workers = [int(pid) for pid in program.stdout.readline().split()]
    try:
        assert len(workers) == 2
        if how == "interrupt the group":  # as a terminal does
            os.killpg(program.pid, signal.SIGINT)
        _, errors = program.communicate(timeout=60)
    except BaseException:
        os.killpg(program.pid, signal.SIGKILL)
        raise
    assert program.returncode == {"kill": -9, "exit": 3, "exception": 1}.get(how, -2)
    assert errors.count("Traceback") == (how not in ("kill", "exit")) and "resource_tracker" not in errors
    wait_until(lambda: not any(map(alive, workers)))
    assert set(os.listdir(tmp_path)) == files_before
    if shared_before:
        assert not {name for name in set(os.listdir("/dev/shm")) - shared_before if "bpfree" in name}


def test_a_script_needs_no_main_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np, bpfree as bf\n"
        "data = np.eye(4, dtype='f4'), np.arange(4) % 2\n"
        "with bf.Processes(2, 'exact') as engine:\n"
        "    print(bf.train(bf.Sequential(4, [bf.Linear(2)]), data, batch_size=4, max_steps=3, engine=engine).steps)\n"
    )
    for program in ([str(script)], ["-"]):
        result = subprocess.run(
            [sys.executable, *program], input=script.read_text(), capture_output=True, text=True, timeout=60
        )
        assert (result.stdout, result.stderr) == ("3\n", "")


@pytest.mark.parametrize("memfd", [True, False])
def test_shared_arrays(monkeypatch, memfd, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if not memfd:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    ours = SharedArrays()
    theirs = SharedArrays(ours.descriptor)
    for size in (3, 5000, 1):  # the file grows, never shrinks
        arrays = [np.arange(size, dtype="f4"), None, np.zeros(0, "f4"), np.arange(2 * size, dtype="u4").reshape(2, -1)]
        back = theirs.read(ours.write(arrays))
        for one, other in zip(arrays, back, strict=True):
            assert one is other is None or (one.dtype == other.dtype and one.tobytes() == other.tobytes())
        with pytest.raises(ValueError, match="read-only"):
            back[0][0] = 1
    assert not list(tmp_path.iterdir())
    ours.close()
