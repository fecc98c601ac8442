"""Files are written whole or not at all."""

import os

import pytest

from bpfree import files
from bpfree.files import write_atomically


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
