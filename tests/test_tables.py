"""Each row of a table has what the tests that run over the table need."""

from pathlib import Path

import pytest
from helpers import ESTIMATOR_SETTINGS, SCHEDULE_SETTINGS, UPDATE_SETTINGS

from bpfree.estimators import ESTIMATORS
from bpfree.losses import LOSSES
from bpfree.ops import OPS
from bpfree.registry import HostOnly, Table
from bpfree.schedules import SCHEDULES
from bpfree.updates import UPDATES


@pytest.mark.parametrize("row", list(OPS), ids=lambda row: row.name)
def test_every_op_has_examples(row):
    assert row.examples
    assert all(set(attributes) == set(row.attributes) for attributes, _ in row.examples)


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
