# SPDX-License-Identifier: MIT
"""Several models in one firmware: one shared runtime, names of their own, trained or only predicted with."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from helpers import floats

import bpfree as bf
from bpfree.exporters import firmware
from bpfree.exporters.folder import marked
from bpfree.exporters.names import Names

SAMPLES = firmware.Samples(floats(1, 12, 6), targets=floats(2, 12, 2))
DIGITS = firmware.Samples(floats(3, 20, 8), labels=np.arange(20) % 3)
WAVE = bf.Sequential(6, [bf.TTLinear((2, 4), (3, 3), rank=2), bf.Tanh(), bf.Linear(2, bias=False)], seed=3)
CLASSES = bf.Sequential(8, [bf.Linear(5), bf.ReLU(), bf.Linear(3)], seed=4)


def trainer_of(model, loss, estimator, update):
    return bf.Trainer(model.graph, model.frozen, loss, estimator, update, batch_size=4, seed=7)


WAVE_TRAINER = trainer_of(WAVE, "mse", bf.RGE(2, grouping="layer"), bf.Adam(0.01))
CLASSES_TRAINER = trainer_of(CLASSES, "cross_entropy", bf.UnitWise(), bf.SGD(0.1))


def add_wave(place, **given):
    settings = {"trainer": WAVE_TRAINER, "samples": SAMPLES, "steps": 6, "name": "wave"}
    return firmware.export(WAVE, place, **settings | given)


def add_classes(place, **given):
    settings = {"trainer": CLASSES_TRAINER, "samples": DIGITS, "steps": 5, "name": "kws"}
    return firmware.export(CLASSES, place, **settings | given)


def options(place):
    """The options of the folder's config.h, by name."""
    return dict(re.findall(r"#define (BPFREE_\w+) (\d+)\n", (place / "runtime/bpfree/config.h").read_text()))


def trained(model, trainer, samples, steps):
    """theta by NumPy: the exact engine, one step after the other."""
    y = samples.labels if trainer.loss.labels else samples.targets
    run = bf.train(
        model, (samples.x, y), loss=trainer.loss, estimator=trainer.estimator, update=trainer.update, batch_size=4,
        max_steps=steps, seed=7, engine="exact",
    )  # fmt: skip
    return run.model.theta


def run(place, **options):
    pytest.importorskip("unicorn", reason='unicorn missing: pip install "bpfree[emulate]"')
    from bpfree import emulate

    built = emulate.compile_firmware(place, optimize="Os", extra_flags=["-Wconversion", "-pedantic"], **options)
    return built, emulate.run_firmware(built)


def ram(result, symbol, model):
    return np.frombuffer(result.read_symbol(symbol, 4 * model.graph.n_theta), np.float32)


def test_two_models_train_in_one_program(tmp_path):
    add_wave(tmp_path)
    add_classes(tmp_path)
    _, result = run(tmp_path)
    wave, classes = trained(WAVE, WAVE_TRAINER, SAMPLES, 6), trained(CLASSES, CLASSES_TRAINER, DIGITS, 5)
    np.testing.assert_array_equal(ram(result, "wave_ram_theta", WAVE), wave)
    np.testing.assert_array_equal(ram(result, "kws_ram_theta", CLASSES), classes)
    told = "kws: {}, as on the computer\nwave: {}, as on the computer\n"
    assert (result.exit_code, result.text) == (0, told.format(bf.theta_hash(classes), bf.theta_hash(wave)))


def test_one_trains_and_one_only_predicts(tmp_path):
    add_wave(tmp_path)
    add_classes(tmp_path, trainer=None, inference=True)
    built, result = run(tmp_path)
    np.testing.assert_array_equal(ram(result, "wave_ram_theta", WAVE), trained(WAVE, WAVE_TRAINER, SAMPLES, 6))
    right = (CLASSES.predict(DIGITS.x, "exact").argmax(1) == DIGITS.labels).sum()
    *kws, wave = result.text.splitlines()
    assert result.exit_code == 0 and kws[0] == f"kws: {right} of 20 right"
    assert kws[1].endswith(", as on the computer") and wave.endswith(", as on the computer")


def test_a_program_that_only_predicts_links_no_training_code(tmp_path):
    from firmware_runs import all_symbols

    add_classes(tmp_path, trainer=None, inference=True)
    built, result = run(tmp_path)
    assert result.exit_code == 0 and "as on the computer" in result.text
    assert not (tmp_path / "kws_trainer.c").exists() and not list(tmp_path.glob("runtime/est_*"))
    linked = {name for name in all_symbols(built) if name.startswith("bpfree_")}
    kernels = {"bpfree_op_linear", "bpfree_op_relu", "bpfree_contract", "bpfree_bias_rows"}
    inference = {f"bpfree_{name}" for name in ("predict", "predict_size", "forward", "output", "arena_size", "hash")}
    assert linked <= kernels | inference
    expected = 0xCBF29CE484222325
    for outputs in CLASSES.predict(DIGITS.x, "exact"):
        expected = (expected ^ int(bf.theta_hash(outputs), 16)) * 0x100000001B3 % 2**64
    assert result.hash == expected


@pytest.mark.parametrize("change", ["theta", "expected"])
def test_other_bits_than_the_computer_s_are_told_and_returned(tmp_path, change):
    add_wave(tmp_path)
    header, tables = tmp_path / "wave.h", tmp_path / "wave.c"
    if change == "expected":
        header.write_text(re.sub("WAVE_HASH 0x[0-9a-f]{8}", "WAVE_HASH 0x00000001", header.read_text()))
    else:
        first = re.search(r"wave_theta\[WAVE_THETA\].* = \{\n  (\S+),", tables.read_text())[1]
        tables.write_text(tables.read_text().replace(first, "0x1.8p-3f", 1))
    _, result = run(tmp_path)
    assert result.exit_code == -12 and result.text == f"wave: {result.hash:016x}, NOT as on the computer\n"


def test_options_are_those_that_one_of_the_models_wants(tmp_path):
    """Also when one is exported again and wants less: then that goes that only it has wanted."""
    add_wave(tmp_path)  # probes on read, layer by layer
    alone = options(tmp_path)
    assert alone["BPFREE_PROBE_ON_READ"] == alone["BPFREE_GROUPS"] == "1"
    add_classes(tmp_path)
    assert options(tmp_path) == alone
    sources = {path.name for path in (tmp_path / "runtime").glob("*.c")}
    assert {"est_rge.c", "est_unit_wise.c", "op_tt_linear.c", "op_relu.c", "upd_adam.c"} <= sources
    add_wave(tmp_path, trainer=trainer_of(WAVE, "mse", bf.CGE(), bf.SGD(0.1)))
    now = options(tmp_path)
    assert now["BPFREE_PROBE_ON_READ"] == now["BPFREE_GROUPS"] == "0"
    gone = sources - {path.name for path in (tmp_path / "runtime").glob("*.c")}
    assert gone == {"est_rge.c", "upd_adam.c"}
    assert run(tmp_path)[1].exit_code == 0


def test_the_order_of_exports_does_not_matter(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    add_wave(one)
    add_classes(one)
    add_classes(other)
    add_wave(other)
    for path in one.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (other / path.relative_to(one)).read_bytes(), path


def test_a_model_whose_header_is_deleted_is_gone_after_the_next_export(tmp_path):
    add_wave(tmp_path)
    add_classes(tmp_path)
    (tmp_path / "wave.h").unlink()
    add_classes(tmp_path)
    assert not list(tmp_path.glob("wave*")) and "wave" not in (tmp_path / "main.c").read_text()
    assert run(tmp_path)[1].text.count("\n") == 1


LOGGED = {"journal": True, "trainer": trainer_of(WAVE, "mse", bf.RGE(2, direction="gaussian"), bf.Adam(0.01))}
PREDICTED = {"trainer": None, "inference": True}


@pytest.mark.parametrize(("wave", "classes"), [({}, {}), (LOGGED, {"journal": True}), (LOGGED, PREDICTED)])
def test_main_stays_short_with_two_models_of_any_kind(tmp_path, wave, classes):
    add_wave(tmp_path, **wave)
    add_classes(tmp_path, **classes)
    text = (tmp_path / "main.c").read_text()
    assert text.count("\n") < 100 and max(map(len, text.splitlines())) <= 120
    assert run(tmp_path)[1].exit_code == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("int", "no word of C, got 'int': put something behind it, as in 'int1'"),
        ("Kws", "a letter of a-z and at most 30"),
        ("k-w", "a letter of a-z"),
        ("1kws", "a letter of a-z"),
        ("", "a letter of a-z"),
        (None, "a letter of a-z"),
        ("stdint", "no header of C"),
        ("main", "not one of bpfree's own"),
        ("bpfree_x", "does not begin as the runtime's names do"),
        ("wave_ram", "fits beside the model 'wave' in the folder, got 'wave_ram': both have wave_ram_theta"),
        ("train", "fits beside the model 'model' in the folder, got 'train': both have train_model"),
    ],
)
def test_names_that_cannot_be_are_refused_before_anything_is_written(tmp_path, name, message):
    add_wave(tmp_path)
    add_classes(tmp_path, name="model")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=f"^name: expected .*{re.escape(message)}"):
        add_classes(tmp_path, name=name)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_similar_names_are_no_clash(tmp_path):
    add_wave(tmp_path)
    add_classes(tmp_path, name="wave_small")
    assert run(tmp_path)[1].exit_code == 0
    assert not Names("wave").all & Names("wave_small").all


def test_a_folder_is_for_one_target_and_port(tmp_path):
    add_wave(tmp_path)
    with pytest.raises(ValueError, match="^port: expected 'mailbox', as wave in .* has, got 'none'"):
        add_classes(tmp_path, port="none")
    add_wave(tmp_path, port="none")  # alone it may change


def manifest(tmp_path):
    return tmp_path / "manifest.txt"


DAMAGE = {
    "edited": lambda data: data.replace(b"est_rge", b"est_cge"),
    "empty": lambda data: b"",
    "no JSON": lambda data: marked("hello", "# {}"),
    "a list": lambda data: marked("[]", "# {}"),
    "deep": lambda data: marked("[" * 100000, "# {}"),
    "another schema": lambda data: marked('{"schema": 2}', "# {}"),
    "paths": lambda data: marked(data.split(b"\n", 1)[1].decode().replace("est_rge.c", "../../x.c"), "# {}"),
    "fields": lambda data: marked(data.split(b"\n", 1)[1].decode().replace('"does"', '"did"'), "# {}"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_manifest_is_refused(tmp_path, case):
    add_wave(tmp_path)
    path = manifest(tmp_path)
    path.write_bytes(DAMAGE[case](path.read_bytes()))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="^folder: expected manifest.txt as an export left it, got another in "):
        add_classes(tmp_path)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_models_of_another_version_are_refused(tmp_path):
    add_wave(tmp_path)
    document = json.loads(manifest(tmp_path).read_bytes().split(b"\n", 1)[1])
    manifest(tmp_path).write_bytes(marked(json.dumps(document | {"bpfree": "0.0.9"}), "# {}"))
    with pytest.raises(ValueError, match="^folder: expected models that bpfree .* wrote, got wave of 0.0.9 in "):
        add_classes(tmp_path)
    add_wave(tmp_path)  # what is written anew as a whole needs no other


def test_a_folder_from_before_manifests_takes_no_second_model(tmp_path):
    firmware.export(WAVE, tmp_path, trainer=WAVE_TRAINER, samples=SAMPLES)
    manifest(tmp_path).unlink()
    with pytest.raises(ValueError, match="^folder: expected one of this version of bpfree, got .* without manifest"):
        add_classes(tmp_path)
    firmware.export(WAVE, tmp_path, trainer=WAVE_TRAINER, samples=SAMPLES)
    add_classes(tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"inference": True}, "trainer: expected None with inference=True"),
        ({"inference": True, "trainer": None, "journal": True}, "journal: expected False with inference=True"),
        ({"port": "uart"}, "port: expected one of"),
        (
            {"inference": True, "trainer": None, "samples": firmware.Samples(DIGITS.rows[:0])},
            "samples.rows: expected one",
        ),
    ],
)
def test_what_does_not_go_together_is_named(tmp_path, given, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        add_classes(tmp_path, **given)
    assert not list(tmp_path.iterdir())
