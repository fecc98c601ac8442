"""Every row of the table: its values by a formula written again, the rest by numeric derivatives of its values."""

import pytest
from loss_oracles import ORACLES, check_change, check_closed, check_differences, check_gradient, check_values
from native_losses import closed_form

from bpfree.losses import LOSSES

every_row = pytest.mark.parametrize("row", list(LOSSES), ids=lambda row: row.name)


def test_every_loss_has_an_oracle():
    assert set(ORACLES) == {row.name for row in LOSSES}


@every_row
def test_values(row):
    check_values(row, ORACLES[row.name])


@every_row
@pytest.mark.parametrize("check", [check_gradient, check_change, check_differences])
def test_derivatives(row, check):
    check(row)


@every_row
def test_closed_form_in_c(row):
    check_closed(row, closed_form(row))
