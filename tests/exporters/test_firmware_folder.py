"""Exporting firmware again: what somebody changed stays theirs, and a folder never has files of two models."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

import bpfree as bf
from bpfree.exporters import firmware, folder
from bpfree.exporters.folder import is_marked, marked

PIXELS, LABELS = np.arange(40, dtype=np.uint8).reshape(10, 4), np.arange(10) % 3
SAMPLES = firmware.Samples(PIXELS, labels=LABELS)
ONE = bf.Sequential(4, [bf.Linear(5), bf.ReLU(), bf.Linear(3)], seed=0)
OTHER = bf.Sequential(4, [bf.Linear(7), bf.Tanh(), bf.Linear(3)], seed=1)
YOURS = ["main.c", "report.c", "report.h", "Makefile", "port/port.c", "port/startup.c", "port/link.ld"]


def export(model, place, **settings):
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.RGE(2), bf.SGD(0.01), batch_size=2)
    return firmware.export(model, place, **{"trainer": trainer, "samples": SAMPLES, "steps": 1} | settings)


def contents(place):
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in Path(place).rglob("*") if path.is_file()}


def edit(path):
    path.write_text(path.read_text() + "/* mine */\n")
    return path.read_bytes()


@pytest.fixture
def place(tmp_path):
    return export(ONE, tmp_path / "out")


def test_every_file_says_in_its_first_line_whose_it_is(place):
    files = contents(place)
    assert len(files) > 30 and all(map(is_marked, files.values()))
    for name, data in files.items():
        first, rest = data.split(b"\n", 1)
        begin = b"# " if name in ("Makefile", "manifest.txt") else b"/* "
        assert first.startswith(begin + b"Written by bpfree, hash of what follows: ")
        assert not is_marked(data + b" ") and not is_marked(rest) and not is_marked(first + b"\n" + rest[1:])


@pytest.mark.parametrize("name", YOURS)
def test_an_edited_file_is_the_user_s_and_kept_with_a_word(place, name):
    mine = edit(place / name)
    with pytest.warns(UserWarning, match=f"^folder: kept {name} in .*out, as export did not write them so"):
        export(OTHER, place)
    assert (place / name).read_bytes() == mine
    assert contents(place) == contents(export(OTHER, place.parent / "expected")) | {name: mine}


def test_one_written_from_the_start_as_well(place):
    (place / "main.c").write_text("int main(void) { return 0; }\n")
    with pytest.warns(UserWarning, match="kept main.c"):
        export(ONE, place, steps=9)
    assert (place / "main.c").read_text() == "int main(void) { return 0; }\n"


@pytest.mark.parametrize("name", ["model.h", "model.c", "trainer.c", "samples.c", "runtime/train.c",
                                  "runtime/bpfree/config.h"])  # fmt: skip
def test_an_edited_file_that_must_fit_the_others_is_an_error_before_anything_is_written(place, name):
    edit(place / name)
    before = contents(place)
    with pytest.raises(ValueError, match=f"^folder: expected files as an export left them, got others in .*: {name}: "):
        export(OTHER, place)
    assert contents(place) == before


def test_what_was_not_changed_is_written_anew(place):
    export(ONE, place, steps=77)
    assert b"MODEL_STEPS 77 " in (place / "model.h").read_bytes()
    assert contents(export(OTHER, place)) == contents(export(OTHER, place.parent / "expected"))


def test_of_what_is_stale_only_that_goes_which_nobody_changed(place):
    for name in ("samples.c", "runtime/op_relu.c"):
        assert (place / name).exists()
    mine = {"notes.txt": b"mine", "runtime/fast_relu.c": b"int mine;\n", "sensor.c": b"int sample(void);\n"}
    for name, data in mine.items():
        (place / name).write_bytes(data)
    export(OTHER, place, samples=None)
    assert contents(place) == contents(export(OTHER, place.parent / "expected", samples=None)) | mine


def test_a_sample_function_of_one_s_own_in_samples_c(place):
    (place / "samples.c").write_text("int sample(void);\n")
    export(OTHER, place, samples=None)
    assert (place / "samples.c").read_text() == "int sample(void);\n"
    with pytest.raises(ValueError, match="samples.c"):
        export(OTHER, place)


@pytest.mark.parametrize("settings", [
    {"steps": 0}, {"target": "z80"}, {"samples": firmware.Samples(PIXELS[:, :2], labels=LABELS)},
])  # fmt: skip
def test_a_refused_export_leaves_the_folder_as_it_was(place, settings):
    before = contents(place)
    with pytest.raises(ValueError):
        export(OTHER, place, **settings)
    assert contents(place) == before


def test_a_model_that_cannot_be_rendered_leaves_the_folder_as_it_was(place):
    before, broken = contents(place), bf.Model(OTHER.graph, np.full_like(OTHER.theta, np.inf))
    with pytest.raises(ValueError, match="finite"):
        export(broken, place)
    with pytest.raises(ValueError, match="finite"):
        export(broken, place.parent / "new")
    assert contents(place) == before and not (place.parent / "new").exists()


class FullDisk:
    """os.replace and Path.write_bytes, of which the call of this number fails."""

    def __init__(self, monkeypatch, fails_at):
        self.calls, self.fails_at = 0, fails_at
        for owner, name in ((folder.os, "replace"), (folder.Path, "write_bytes")):
            monkeypatch.setattr(owner, name, self.counted(getattr(owner, name)))

    def counted(self, function):
        def call(*arguments):
            self.calls += 1
            if self.calls == self.fails_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")
            return function(*arguments)

        return call


def test_a_write_that_fails_anywhere_leaves_the_old_set(place, tmp_path):
    before, failed = contents(place), 0
    for fails_at in range(1, 200):
        with pytest.MonkeyPatch.context() as patch:
            disk = FullDisk(patch, fails_at)
            try:
                export(OTHER, place, samples=None)
            except OSError as error:
                assert error.errno == errno.ENOSPC and error.filename == str(place)
                failed += 1
            else:
                break
        assert contents(place) == before and [path.name for path in tmp_path.iterdir()] == ["out"]
    assert failed == disk.calls >= 10
    assert contents(place) == contents(export(OTHER, tmp_path / "expected", samples=None))


def test_a_write_that_fails_leaves_no_new_folder(tmp_path, monkeypatch):
    FullDisk(monkeypatch, 9)
    with pytest.raises(OSError, match="No space left"):
        export(ONE, tmp_path / "some" / "where")
    assert not list(tmp_path.iterdir())


def test_the_mark_is_of_the_bytes():
    assert is_marked(marked("a\r\nb ä\n")) and not is_marked(b"") and not is_marked(b"\xff\xfe\n\n")
