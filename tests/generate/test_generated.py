"""Python and C read the same tables, and number the same things alike."""

import re
from pathlib import Path

import pytest

from bpfree import native, rng
from bpfree.directions import DIRECTIONS
from bpfree.engines import probes
from bpfree.estimators import ESTIMATORS
from bpfree.estimators.rge import GROUPINGS
from bpfree.generate import generated_files
from bpfree.losses import LOSSES
from bpfree.native.arrays import _MEANINGS, check_status
from bpfree.ops import OPS
from bpfree.pde.problems import PROBLEMS
from bpfree.pde.rules import RULES
from bpfree.updates import UPDATES

RUNTIME = Path(__file__).resolve().parents[2] / "runtime_c"
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
}
FILES = generated_files()
TABLES = {
    "ops": OPS,
    "losses": LOSSES,
    "estimators": ESTIMATORS,
    "updates": UPDATES,
    "rules": RULES,
    "problems": PROBLEMS,
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_committed_files_are_current(name):
    assert (RUNTIME / name).read_text() == FILES[name], "stale: make generate"


def test_no_generated_file_is_left_over():
    found = {str(path.relative_to(RUNTIME)) for path in RUNTIME.rglob("*.gen.*")}
    assert found == set(FILES)


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
        (OPS, lib.bpfree_registry_jet),
        (LOSSES, lib.bpfree_registry_loss),
        (UPDATES, lib.bpfree_registry_update),
    )
    for table, get in kernels:
        found = [get(number, row.number) for row in table if isinstance(row.c, str)]
        assert null not in found and len(set(found)) == len(found)
        assert get(number, len(table.rows)) == null
        assert get(99, 0) == null
    assert lib.bpfree_isa_lanes(number) >= 1 and lib.bpfree_isa_lanes(99) == 0
    assert lib.bpfree_registry_estimator(99) == null
    assert lib.bpfree_registry_rule(99) == lib.bpfree_registry_residual(99) == null


@pytest.mark.parametrize("name", STATUS)
def test_status_codes(name):
    value = STATUS[name]
    assert getattr(native.core().lib, f"BPFREE_{name}") == value
    if value:
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


def test_limits_and_records():
    config = (RUNTIME / "include/bpfree/config.h").read_text()
    defines = dict(re.findall(r"#define (BPFREE_\w+) (\d+)\b", config))
    assert int(defines["BPFREE_BLOCK"]) == rng.BLOCK
    ffi = native.core().ffi
    assert ffi.sizeof("bpfree_probe") == probes.PROBE.itemsize
    for name, field in ffi.typeof("bpfree_probe").fields:
        assert probes.PROBE.fields[name][1] == field.offset
