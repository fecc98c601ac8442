"""Python and C read the same tables, and number the same things alike."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import bpfree as bf
from bpfree import native, rng
from bpfree.directions import DIRECTIONS
from bpfree.engines import probes
from bpfree.estimators import ESTIMATORS, cge
from bpfree.estimators.rge import GROUPINGS
from bpfree.generate import generated_files, sections
from bpfree.graph.c_tables import model_tables
from bpfree.graph.graph import FLOAT32
from bpfree.journal.format import Code, Reason, Type
from bpfree.losses import LOSSES
from bpfree.native.arrays import _MEANINGS, check_status
from bpfree.ops import OPS
from bpfree.pde.problems import PROBLEMS
from bpfree.pde.rules import RULES
from bpfree.updates import UPDATES

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "runtime_c"
# Never renumbered: files, journals and firmware in the field hold these.
STATUS = {
    "OK": 0,
    "ERR_ARG": -1,
    "ERR_SIZE": -2,
    "ERR_ALIGN": -3,
    "ERR_FORMAT": -4,
    "ERR_VERSION": -5,
    "ERR_MODEL": -6,
    "ERR_CRC": -7,
    "ERR_IO": -8,
    "ERR_NUMERIC": -9,
    "ERR_FULL": -10,
    "ERR_CALLBACK": -11,
    "ERR_ARITHMETIC": -12,
    "MORE": 1,
}
TABLES = {
    "ops": OPS,
    "losses": LOSSES,
    "estimators": ESTIMATORS,
    "updates": UPDATES,
    "rules": RULES,
    "problems": PROBLEMS,
}


def test_committed_files_are_current():
    files = generated_files()
    assert [name for name, text in files.items() if (ROOT / name).read_text() != text] == [], "stale: make generate"
    found = {str(path.relative_to(ROOT)) for path in RUNTIME.rglob("*.gen.*")}
    assert found == {name for name in files if ".gen." in name}, "a generated file is left over"


def test_sections_of_files_that_people_write(monkeypatch, tmp_path):
    monkeypatch.setattr(sections, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- a: written by make generate -->\nold\n<!-- a: end -->\nbelow\n")
    filled = sections.filled("page.md", {"a": ["new", "lines"]})
    assert filled == page.read_text().replace("old", "new\nlines")
    with pytest.raises(ValueError, match=r"page.md: expected one line with 'b: written by make generate', got 0"):
        sections.filled("page.md", {"b": []})


def test_an_op_says_what_its_format_is():
    op = replace(OPS["square"], forward=lambda site, arithmetic, parameters, inputs: inputs[0])
    with pytest.raises(ValueError, match="square: expected a docstring of .* FORMAT.md prints"):
        sections.said_of(op, op.forward)


@pytest.mark.parametrize("name", TABLES)
def test_registry_names_and_numbers(name):
    rows = [row for row in TABLES[name] if isinstance(row.c, str)]
    for row in rows:
        assert native.registry_name(name, row.number) == row.name
    assert native.registry_name(name, len(TABLES[name].rows)) is None
    assert native.registry_name(name, 2**32 - 1) is None


def test_unknown_registry():
    assert native.registry_name("nothing", 0) is None


@pytest.mark.parametrize("isa", native.isa_names(supported=False))
def test_every_row_has_its_kernels(isa):
    lib, null = native.core().lib, native.core().ffi.NULL
    number = native.isa_names(supported=False).index(isa)
    kernels = (
        (OPS, lib.bpfree_registry_op),
        ([row for row in OPS if row.has_jet], lib.bpfree_registry_jet),
        (LOSSES, lib.bpfree_registry_loss),
        (UPDATES, lib.bpfree_registry_update),
    )
    for table, get in kernels:
        found = [get(number, row.number) for row in table if isinstance(row.c, str)]
        assert null not in found and len(set(found)) == len(found)
        assert get(number, 999) == null
        assert get(99, 0) == null
    assert lib.bpfree_isa_lanes(number) >= 1 and lib.bpfree_isa_lanes(99) == 0
    assert lib.bpfree_registry_estimator(99) == null
    assert lib.bpfree_registry_rule(99) == lib.bpfree_registry_residual(99) == null


@pytest.mark.parametrize("name", STATUS)
def test_status_codes(name):
    value = STATUS[name]
    assert getattr(native.core().lib, f"BPFREE_{name}") == value
    if value < 0:
        kind, meaning = _MEANINGS[value]
        with pytest.raises(kind, match=rf"^step 3: {re.escape(meaning)} \(status {value}\)$"):
            check_status(value, "step 3")
    else:
        assert check_status(value, "step 3") is None


def test_an_unknown_status_is_an_error_too():
    from bpfree.errors import BpfreeError

    with pytest.raises(BpfreeError, match=r"x: unknown status \(status -99\)"):
        check_status(-99, "x")


def test_domains_groupings_and_directions():
    lib = native.core().lib
    for domain in rng.Domain:
        assert getattr(lib, f"BPFREE_DOMAIN_{domain.name}") == domain
    assert [getattr(lib, f"BPFREE_{name.upper()}") for name in GROUPINGS] == [0, 1, 2]
    assert [getattr(lib, row.c) for row in DIRECTIONS] == [row.number for row in DIRECTIONS] == [0, 1, 2, 3, 4]
    assert [row.c for row in DIRECTIONS] == [f"BPFREE_{row.name.upper()}" for row in DIRECTIONS]
    known = {name for name in dir(lib) if name.startswith("BPFREE_DOMAIN_")}
    assert known == {f"BPFREE_DOMAIN_{domain.name}" for domain in rng.Domain}


def test_kinds():
    assert native.core().lib.BPFREE_FLOAT32 == FLOAT32
    rows = model_tables(bf.Sequential(3, [bf.Linear(2)]).graph)
    assert {row.kind for row in (*rows.tensors, *rows.slices)} == {FLOAT32}


def test_limits_and_records():
    config = (RUNTIME / "include/bpfree/config.h").read_text()
    defines = dict(re.findall(r"#define (BPFREE_\w+) (\d+)\b", config))
    assert int(defines["BPFREE_BLOCK"]) == rng.BLOCK
    ffi = native.core().ffi
    assert ffi.sizeof("struct bpfree_probe") == probes.PROBE.itemsize
    for name, field in ffi.typeof("struct bpfree_probe").fields:
        assert probes.PROBE.fields[name][1] == field.offset


def test_numbers_that_are_written_twice():
    """Of journals, and of which coordinates a device keeps: in headers and in Python."""
    lib = native.core().lib
    for prefix, numbers in (("", Type), ("EVENT_", Code), ("SKIP_", Reason)):
        assert [getattr(lib, f"BPFREE_{prefix}{number.name}") for number in numbers] == list(numbers)
    defines = dict(re.findall(r"#define (BPFREE_\w+) (\d+)u\b", (RUNTIME / "src/coordinates.h").read_text()))
    assert (int(defines["BPFREE_FEW"]), int(defines["BPFREE_SPARSE"])) == (cge._FEW, cge._SPARSE)
    assert f"#define ROUNDS {rng.ROUNDS}u" in (RUNTIME / "src/rng.c").read_text()
