"""Each row of a table has what the tests that run over the table need."""

from dataclasses import fields
from importlib import import_module
from math import prod
from pathlib import Path

import numpy as np
import pytest
from helpers import ESTIMATOR_SETTINGS, SCHEDULE_SETTINGS
from update_oracles import UPDATE_SETTINGS

from bpfree.estimators import ESTIMATORS
from bpfree.losses import LOSSES
from bpfree.ops import OPS
from bpfree.ops.onnx_rows import SAMPLES
from bpfree.ops.table import Op
from bpfree.registry import HostOnly, Table
from bpfree.schedules import SCHEDULES
from bpfree.updates import UPDATES


@pytest.mark.parametrize("row", list(OPS), ids=lambda row: row.name)
def test_every_op_has_examples(row):
    assert row.examples
    for attributes, shapes in row.examples:
        assert set(attributes) == set(row.attributes) and len(shapes) == row.arity


def test_every_op_is_in_the_file_of_its_name():
    for row in OPS:
        assert import_module(f"bpfree.ops.{row.name}").OP is row


def test_an_op_has_room_for_what_asks():
    """Who asks has a facet of its own: the row itself stays small."""
    assert len(fields(Op)) <= 15


@pytest.mark.parametrize("row", list(OPS), ids=lambda row: row.name)
def test_every_op_becomes_nodes_of_onnx(row):
    for example in row.examples:
        site = row.site(*example)
        parameters = row.parameters.rows(site)
        arrays = [np.ones(size, np.float32) for _, size in parameters]
        known, written = {SAMPLES, *(f"x{k}" for k in range(row.arity))}, {}
        for op_type, inputs, outputs, settings, constants in row.onnx.to_onnx(site, arrays):
            assert isinstance(op_type, str) and all(isinstance(v, int | list) for v in settings.values())
            assert all(type(value) is np.ndarray for value in constants.values())
            written |= constants
            assert set(inputs) <= known | set(written) and not set(outputs) & known
            known |= set(outputs)
        assert "y" in known and outputs == ("y",)
        assert {name: written[name].size for name, _ in parameters} == {n: prod(size) for n, size in parameters}


def test_the_format_names_every_op():
    text = (Path(__file__).resolve().parent.parent / "runtime_c" / "FORMAT.md").read_text()
    rows = "".join(line for line in text.splitlines() if line.startswith("| `"))
    assert [row.name for row in OPS if f"`{row.name}`" not in rows] == []


@pytest.mark.parametrize(
    ("table", "settings"),
    [(ESTIMATORS, ESTIMATOR_SETTINGS), (UPDATES, UPDATE_SETTINGS), (SCHEDULES, SCHEDULE_SETTINGS)],
    ids=["estimators", "updates", "schedules"],
)
def test_every_row_has_settings_to_try(table, settings):
    assert set(settings) == {row.name for row in table}
    for row in table:
        assert settings[row.name] and all(table.of(s) is row for s in settings[row.name])


@pytest.mark.parametrize("row", [*OPS, *LOSSES, *ESTIMATORS, *UPDATES, *SCHEDULES], ids=lambda row: row.name)
def test_the_c_side_is_a_symbol_or_a_reason(row):
    if isinstance(row.c, HostOnly):
        assert row.c.reason
    else:
        assert row.c.startswith("bpfree_") and row.c.endswith(row.name)


def test_numbers_are_dense_and_names_unique():
    with pytest.raises(ValueError, match=r"table x: numbers must be 0, 1, 2"):
        Table("x", [LOSSES["mse"]])
    with pytest.raises(ValueError, match=r"names unique"):
        Table("x", [LOSSES["softmax_cross_entropy"], LOSSES["softmax_cross_entropy"]])


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"losses: expected one of softmax_cross_entropy, mse.*got 'hinge'"):
        LOSSES["hinge"]
