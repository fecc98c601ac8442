"""Files are written whole or not at all."""

import os
import socket
import threading
from pathlib import Path

import pytest

import bpfree as bf
from bpfree import files
from bpfree.errors import FormatError
from bpfree.files import remove_drafts, replacing, write_atomically


def test_written_and_replaced(tmp_path):
    path = tmp_path / "a.bin"
    write_atomically(path, b"one")
    write_atomically(str(path), b"two")
    assert path.read_bytes() == b"two" and os.listdir(tmp_path) == ["a.bin"]


def test_the_mode_is_that_of_any_new_file(tmp_path):
    write_atomically(tmp_path / "a", b"")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_atomically(tmp_path / "link", b"data")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"data"


def test_a_device_stays_one(tmp_path):
    reader, writer = os.pipe()
    write_atomically(f"/dev/fd/{writer}", b"through")
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert file.read() == b"through"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize("write", [lambda path: write_atomically(path, b"x"), bf.Sequential(2, [bf.Linear(1)]).save])
def test_a_device_that_is_full_is_named(write):
    with pytest.raises(OSError, match="No space left on device: '/dev/full'$"):
        write("/dev/full")


def test_a_pipe_that_nobody_reads_is_refused_and_one_that_is_read_gets_all(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="nobody reads this pipe: start its reader first: '.*pipe'$"):
        write_atomically(pipe, b"x")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with files.read_by_somebody(pipe):
        write_atomically(pipe, b"through")
        with pytest.raises(BlockingIOError):  # as one end is still held, and nothing more is there
            assert os.read(reader, 100) == b"through" and os.read(reader, 100)
    assert os.read(reader, 100) == b""
    os.close(reader)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_names_it(tmp_path, monkeypatch, step):
    path = tmp_path / "a.bin"
    write_atomically(path, b"old")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, step, full)
    with pytest.raises(OSError, match="No space left on device: '.*a.bin'$"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.bin"]


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for wrong, error in (
        (tmp_path / "missing" / "a", FileNotFoundError),
        (tmp_path, IsADirectoryError),
        (tmp_path / "file" / "a", NotADirectoryError),
    ):
        with pytest.raises(error, match=str(wrong)):
            write_atomically(wrong, b"data")
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_bytes() == b""


def test_the_old_mode_is_kept(tmp_path):
    """Also one that nobody but the owner may read, and one that the umask would not leave."""
    path = tmp_path / "a"
    for mode in (0o600, 0o664, 0o444):
        write_atomically(path, b"old")
        path.chmod(mode)
        write_atomically(path, b"new")
        assert path.stat().st_mode & 0o777 == mode and path.read_bytes() == b"new"


def test_a_draft_of_a_private_file_is_private(tmp_path):
    (tmp_path / "a").write_bytes(b"secret")
    (tmp_path / "a").chmod(0o600)
    with replacing(tmp_path / "a") as draft:
        assert draft.stat().st_mode & 0o777 == 0o600


def test_what_is_planted_where_drafts_were_is_left_alone(tmp_path):
    """The draft's name used to be made of the file's name and the process number."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / f".a.bin.{os.getpid()}.tmp").symlink_to(victim)
    write_atomically(tmp_path / "a.bin", b"data")
    assert victim.read_bytes() == b"mine" and (tmp_path / "a.bin").read_bytes() == b"data"


def test_a_name_that_was_foreseen_is_not_opened(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    monkeypatch.setattr(files.secrets, "token_hex", lambda size: "0" * 2 * size)
    (tmp_path / f".a.{'0' * 16}.tmp.bin").symlink_to(victim)
    with pytest.raises(FileExistsError, match=r"'.*/a\.bin'$"):
        write_atomically(tmp_path / "a.bin", b"data")
    assert victim.read_bytes() == b"mine" and not (tmp_path / "a.bin").exists()


LONG = ["n" * 255, "n" * 250 + ".npz", "\N{SNOWMAN}" * 85, "n." + "s" * 250]


@pytest.mark.parametrize("name", [*LONG, ".hidden", "a.b.c"])
def test_any_name_that_the_system_takes(tmp_path, name):
    path = tmp_path / name
    write_atomically(path, b"old")
    with pytest.raises(KeyError), replacing(path) as draft:
        draft.write_bytes(b"half")
        assert draft.suffix == path.suffix or len(path.suffix) > 200 or not path.suffix
        raise KeyError
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.ckpt", "a", "n" * 250])
def test_drafts_of_killed_writers_are_removed_and_nothing_else(tmp_path, name):
    others = [tmp_path / other for other in (f"{name}.npz"[-200:], f".{name}"[:255], ".b.0123456789abcdef.tmp.ckpt")]
    for other in others:
        other.write_bytes(b"")
    with replacing(tmp_path / name) as draft:
        left = tmp_path / draft.name
    left.write_bytes(b"half")
    (tmp_path / name).unlink()
    remove_drafts(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_threads_that_save_and_load_one_file_see_whole_ones(tmp_path):
    """Six hundred loads while four threads save: with one draft for all, two in a hundred were of a half file."""
    path, models = tmp_path / "m.npz", [bf.Sequential(64, [bf.Linear(64)], seed=seed) for seed in range(4)]
    whole, wrong = {model.hash for model in models}, []
    models[0].save(path)

    def save_and_load(model):
        try:
            for _ in range(150):
                model.save(path)
                if bf.Model.load(path).hash not in whole:
                    wrong.append("another model")
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=save_and_load, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and os.listdir(tmp_path) == ["m.npz"]


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a device", "a socket"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind, request):
    """A pipe that nobody writes to would be waited for, for ever."""
    path = Path("/dev/zero") if kind == "a device" else tmp_path / "p"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a socket":
        server = socket.socket(socket.AF_UNIX)
        request.addfinalizer(server.close)
        server.bind(os.path.relpath(path))  # whose length is limited
    for read in (bf.Model.load, bf.Journal.read, files.read_bytes, bf.pde.Solution.load):
        with pytest.raises(FormatError, match=f"^{path}: expected a file, got {kind}$"):
            read(path)
