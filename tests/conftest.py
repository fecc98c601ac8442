"""Fixtures that more than one file uses."""

import helpers
import pytest


@pytest.fixture(params=helpers.ENGINES)
def strict_engine(request):
    """Each engine that promises the bits of the exact reference, that reference included."""
    return helpers.make_engine(request.param)


@pytest.fixture(params=helpers.ISAS)
def compiled(request):
    """The compiled engine with each instruction set of this processor."""
    return helpers.make_engine(f"compiled-{request.param}")
